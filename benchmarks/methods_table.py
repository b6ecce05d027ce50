r"""The table of methods in docs/methods.md: pretrain, train on few labels, score the test set once.

    python benchmarks/methods_table.py ../shared/data/acdc --out FOLDER --write docs/methods.md \
        --csv docs/results/methods.csv

Every method is pretrained for as many updates on the same pool with its ``cpu-small`` preset, then fine-tuned
on the same labelled subjects with the same recipe. Two more rows train from scratch: for as long as the
fine-tuning, and for as many updates as pretraining and fine-tuning together. Rows that the folder holds
already are not made again, so an interrupted table goes on where it was. Seconds are those of the processor,
so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from cmr_ssp import jobs
from cmr_ssp.anatomy import Structure
from cmr_ssp.evaluation import mean_dice
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import PretrainRecipe, SegmentationRecipe, load_recipe
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Split
from cmr_ssp.subjects.split import draw_split

AS_PAPER = "as the paper"
BEGIN, END = "<!-- table of methods: begin -->", "<!-- table of methods: end -->"
QUIRKS = ("augmentation.multiply=[1.6, 2.5]", "augmentation.blur_border=zeros")
"""The authors' intensities, in pretraining and in fine-tuning."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name : str
        As it is shown, and the folder of its runs.
    method : str or None
        Of pretraining; None from scratch.
    pretraining, training : tuple of str
        Settings that differ from the presets.
    """

    name: str
    method: str | None
    pretraining: tuple[str, ...] = ()
    training: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return self.name.replace(", ", "-").replace(" ", "-")


ROWS = (
    Row("scratch", None),
    Row("MIM", "mim"),
    Row("SimCLR", "simclr"),
    Row("PCL", "pcl"),
    Row("DINO", "dino"),
    Row("scratch, as many updates in all", None),
    Row("PCL, as the paper", "pcl", (*QUIRKS, "positions=rounded"), QUIRKS),
    Row(
        "DINO, as the paper",
        "dino",
        (
            *QUIRKS,
            "teacher.starts_as_copy=false",
            "augmentation.scale=[0.524, 1.4]",
            "views.local_scale=[0.313, 0.524]",
            "views.local_translation_px=60",
        ),
        QUIRKS,
    ),
    Row("MIM, as the paper", "mim", (*QUIRKS, "mask.hidden=0.75"), QUIRKS),
    Row("SimCLR, as the paper", "simclr", QUIRKS, QUIRKS),
    Row("scratch, as the paper", None, (), QUIRKS),
)


@dataclass(frozen=True)
class Plan:
    """What all rows share."""

    cohort: Cohort
    split: Split
    out: Path
    labelled: int
    pretraining_updates: int
    training_updates: int
    seed: int
    threads: int

    def make(self, row: Row) -> dict[str, float]:
        """Return a row's figures, from its folder where they are there."""
        folder = self.out / row.folder
        done = folder / "row.json"
        if not done.exists():
            figures = self._pretrain(row, folder / "pretraining") | self._finetune(row, folder)
            done.write_text(json.dumps(figures, indent=1))
        found: dict[str, float] = json.loads(done.read_text())
        return found

    def _pretrain(self, row: Row, folder: Path) -> dict[str, float]:
        if row.method is None:
            return {"pretraining_s": 0.0}
        common = (f"updates={self.pretraining_updates}", *self._common())
        recipe = load_recipe(f"{row.method}/cpu-small", (*common, *row.pretraining), kind=PretrainRecipe)
        run = Run(folder)
        if run.last.exists():
            return {"pretraining_s": _timed(lambda: self._resume_pretraining(run))}
        return {"pretraining_s": _timed(lambda: jobs.pretrain(self.cohort, recipe, run, split=self.split))}

    def _resume_pretraining(self, run: Run) -> object:
        return jobs.pretrain(self.cohort, None, run, resume=True)

    def _finetune(self, row: Row, folder: Path) -> dict[str, float]:
        method, source = (
            ("scratch", None) if row.method is None else ("finetune", Run(folder / "pretraining"))
        )
        updates = self.training_updates
        if "in all" in row.name:
            updates += self.pretraining_updates
        recipe = load_recipe(f"{method}/cpu-small", (f"updates={updates}", *self._common(), *row.training))
        assert isinstance(recipe, SegmentationRecipe)
        run = Run(folder / "training")
        if run.last.exists():
            train: Callable[[], object] = lambda: jobs.finetune(self.cohort, None, run, resume=True)  # noqa: E731
        else:
            budget = jobs.LabelBudget(self.labelled, self.seed)
            train = lambda: jobs.finetune(  # noqa: E731
                self.cohort, recipe, run, pretrained=source, budget=budget, split=self.split
            )
        seconds = _timed(train)
        reported = jobs.evaluate(run, self.cohort).reported
        by_structure = {s.name: mean_dice(reported, (s,)) or float("nan") for s in Structure}
        return {"training_s": seconds, "dice": mean_dice(reported) or float("nan")} | by_structure

    def _common(self) -> tuple[str, ...]:
        return f"seed={self.seed}", f"threads={self.threads}"


def _timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def table(found: Sequence[tuple[Row, dict[str, float]]], plan: Plan) -> str:
    """Return the table as Markdown."""
    columns = "pretraining", "Dice", *(structure.name for structure in Structure), "minutes"
    lines = [
        f"{plan.labelled} labelled subjects, seed {plan.seed}, {plan.pretraining_updates} updates of "
        f"pretraining, {plan.training_updates} on labels; `benchmarks/methods_table.py`, torch "
        f"{torch.__version__.partition('+')[0]}, {torch.backends.cpu.get_cpu_capability()}, minutes of one "
        "processor core for pretraining + training.",
        "",
        f"| {' | '.join(columns)} |",
        f"|---|{'---:|' * (len(columns) - 1)}",
    ]
    for row, figures in found:
        dice = (f"{figures[name]:.3f}" for name in ("dice", *(s.name for s in Structure)))
        minutes = f"{figures['pretraining_s'] / 60:.0f} + {figures['training_s'] / 60:.1f}"
        lines.append(f"| {' | '.join((row.name, *dice, minutes))} |")
    return "\n".join(lines)


def write(text: str, path: Path) -> None:
    """Put the table between its marks."""
    page = path.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN, 1)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def write_csv(found: Sequence[tuple[Row, dict[str, float]]], path: Path) -> None:
    """Write the numbers of the plot: what trained equally long, with both kinds of settings."""
    lines = [",".join(("start", "settings", "dice", *(structure.name for structure in Structure)))]
    for row, figures in found:
        start, _, how = row.name.partition(", ")
        if how in ("", AS_PAPER):
            dice = (f"{figures[name]:.3f}" for name in ("dice", *(s.name for s in Structure)))
            lines.append(",".join((start, how or "corrected", *dice)))
    path.write_text("\n".join((*lines, "")), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of runs; a second call goes on")
    parser.add_argument("--write", type=Path, help="page to put the table into")
    parser.add_argument("--csv", type=Path, help="table of the numbers that docs/plots.py draws")
    parser.add_argument("--labelled", type=int, default=5)
    parser.add_argument("--pretraining-updates", type=int, default=1500)
    parser.add_argument("--training-updates", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="make no further row")
    chosen = parser.parse_args()
    cohort = open_cohort(chosen.cohort)
    plan = Plan(
        cohort,
        draw_split(cohort.subjects, test=0.4, seed=0),
        chosen.out,
        chosen.labelled,
        chosen.pretraining_updates,
        chosen.training_updates,
        chosen.seed,
        chosen.threads,
    )
    found = []
    for row in ROWS:
        if chosen.show and not (plan.out / row.folder / "row.json").exists():
            continue
        found.append((row, plan.make(row)))
        print(table(found[-1:], plan).splitlines()[-1], flush=True)
    text = table(found, plan)
    print(text)
    if chosen.write:
        write(text, chosen.write)
    if chosen.csv:
        write_csv(found, chosen.csv)


if __name__ == "__main__":
    main()
