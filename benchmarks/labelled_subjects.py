"""Dice against the number of labelled subjects, for every start: the numbers of a figure in docs/methods.md.

    python benchmarks/labelled_subjects.py ACDC --out FOLDER --write docs/results/labelled_subjects.csv

Every method pretrains once for as many updates on the same pool, with the small network of the ``demo``
presets. Each result, and a network from scratch, is then fine-tuned on 1, 2, 5, 10 and all labelled subjects
of the pool, and scored on the locked test subjects. A run that the folder holds already is not made again, so
an interrupted study continues.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

from cmr_ssp import jobs
from cmr_ssp.anatomy import Structure
from cmr_ssp.evaluation import mean_dice
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import PretrainRecipe, SegmentationRecipe, load_recipe, method_names
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Split
from cmr_ssp.subjects.split import draw_split

SCRATCH = "scratch"
BUDGETS = (1, 2, 5, 10, 30)
NETWORK = ("network.channels=[16, 32, 64, 64]", "crop.size_px=64", "crop.spacing_mm=2.2", "threads=1")
SETTINGS = {
    "mim": (),
    "dino": ("views.local_size_px=32", "views.local_translation_px=12"),
}
COLUMNS = ("start", "labelled_subjects", "seed", "dice", *(structure.name for structure in Structure))


def pretrained(method: str, updates: int, cohort: Cohort, split: Split, out: Path) -> Run:
    run = Run(out / method)
    if not run.last.exists():
        settings = (f"updates={updates}", "batch_size=16", "augmentation.translation_px=12", *NETWORK)
        recipe = load_recipe(f"{method}/cpu-small", (*settings, *SETTINGS.get(method, ())))
        assert isinstance(recipe, PretrainRecipe)
        jobs.pretrain(cohort, recipe, run, split=split)
    return run


def score(start: str, subjects: int, seed: int, cohort: Cohort, split: Split, out: Path) -> list[str]:
    """Return a row of the table."""
    run = Run(out / f"{start}-{subjects}-{seed}")
    if not run.last.exists():
        preset = "scratch/demo" if start == SCRATCH else "finetune/demo"
        recipe = load_recipe(preset, (f"seed={seed}", *NETWORK))
        assert isinstance(recipe, SegmentationRecipe)
        source = None if start == SCRATCH else Run(out / start)
        budget = jobs.LabelBudget(subjects, seed, validates=False)
        jobs.finetune(cohort, recipe, run, pretrained=source, budget=budget, split=split)
    reported = jobs.evaluate(run, cohort).reported
    means = [mean_dice(reported), *(mean_dice(reported, (structure,)) for structure in Structure)]
    return [start, str(subjects), str(seed), *("" if mean is None else f"{mean:.4f}" for mean in means)]


def rows(cohort: Cohort, out: Path, updates: int, seeds: int) -> Iterator[list[str]]:
    """Yield the rows of the table, seed by seed."""
    split = draw_split(cohort.subjects, test=0.4, seed=0)
    for seed in range(seeds):
        for start in (SCRATCH, *method_names()):
            if start != SCRATCH:
                pretrained(start, updates, cohort, split, out)
            for subjects in BUDGETS:
                yield score(start, subjects, seed, cohort, split, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of runs; a second call continues")
    parser.add_argument("--write", type=Path, required=True, help="table to write")
    parser.add_argument("--updates", type=int, default=1000, help="of each pretraining")
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    with chosen.write.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in rows(open_cohort(chosen.cohort), chosen.out, chosen.updates, chosen.seeds):
            print(*row, flush=True)
            table.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
