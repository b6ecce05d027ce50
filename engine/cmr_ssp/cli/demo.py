"""``cmr-ssp demo``: the complete workflow on a phantom cohort, in a few minutes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.atomic import write_text
from cmr_ssp.cli import demo_folder
from cmr_ssp.cli.options import Shown
from cmr_ssp.cli.progress import ProgressReport, exit_if_stopped, reporting
from cmr_ssp.cli.terminal import Terminal, make_table
from cmr_ssp.events import Cancel, Outcome

if TYPE_CHECKING:
    from rich.table import Table

    from cmr_ssp.evaluation import Score
    from cmr_ssp.subjects import Cohort

    Results = dict[str, tuple[Score, ...]]

_SUBJECTS = 16
_LABELLED = 2
_SHOWN = 3
_SEGMENTED = "segmented"
_AFTER_MIM = "after MIM"
_WINDOW = "napari_cmr_ssp"


def demo(
    *,
    headless: Annotated[bool, Parameter(negative=(), help="Do not open a window at the end.")] = False,
    out: Annotated[Path, Parameter(help="Output folder.")] = Path("demo"),
    terminal: Shown,
) -> None:
    """Pretrain, fine-tune on two labelled subjects, and compare with training from scratch.

    Uses synthetic hearts. Writes the cohort, the runs, scores.csv and overlays.png, and opens the result in
    napari if there is a display.
    """
    demo_folder.clear(out)
    try:
        results = _make(out, terminal)
    finally:  # also after a stop or failure, so that the next demo can remove the files
        if out.is_dir():
            demo_folder.write_list(out)
    terminal.show(_table(results))
    terminal.give(written=out, dice=_mean_dice(results))
    terminal.note(f"cohort, runs, scores.csv and overlays.png -> {out}")
    if not headless and len(results) > 1:
        _open_window(out, terminal)


def _make(out: Path, terminal: Terminal) -> Results:
    """Write the cohort, train, and write scores and overlays."""
    from cmr_ssp.evaluation import SCORE_COLUMNS
    from cmr_ssp.files import open_cohort
    from cmr_ssp.phantoms import write_phantom_cohort

    with terminal.console.status(f"making {_SUBJECTS} phantom subjects ..."):
        write_phantom_cohort(out / "cohort", _SUBJECTS, seed=1)
    cohort = open_cohort(out / "cohort")
    with reporting(terminal) as (report, cancel):
        results = _train_and_score(cohort, out, report, cancel)
    exit_if_stopped(Outcome.STOPPED if cancel.requested else Outcome.FINISHED)
    rows = [f"{method},{line}" for method, scores in results.items() for line in _lines(scores)]
    write_text(out / "scores.csv", "\n".join([",".join(("method", *SCORE_COLUMNS)), *rows, ""]))
    _draw(cohort, results, out)
    return results


def _open_window(out: Path, terminal: Terminal) -> None:
    """Open the result in napari, in a separate process, since the engine does not import the plugin."""
    if importlib.util.find_spec(_WINDOW) is None or not _has_display():
        terminal.note("no display: the napari window was skipped, as with --headless")
        return
    cohort, run = out / "cohort", _run_folder(out, _AFTER_MIM).name
    command = [sys.executable, "-m", _WINDOW, str(cohort.absolute()), str(out.absolute()), run]
    subprocess.Popen(command, start_new_session=True)
    terminal.note("napari opens on a test subject ...")


def _has_display() -> bool:
    return not sys.platform.startswith("linux") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _train_and_score(cohort: Cohort, out: Path, report: ProgressReport, cancel: Cancel) -> Results:
    from cmr_ssp import jobs
    from cmr_ssp.recipes import PretrainRecipe, SegmentationRecipe, load_recipe
    from cmr_ssp.runs import Run
    from cmr_ssp.subjects import Role

    pretraining = Run(out / "runs" / "mim")
    recipe = load_recipe("mim/demo", kind=PretrainRecipe)
    settings = jobs.JobSettings("cpu", bank_folder=out / "banks")
    jobs.pretrain(cohort, recipe, pretraining, settings=settings, on_event=report, cancel=cancel)
    unseen = cohort.select(pretraining.split().ids(Role.TEST))
    results: Results = {}
    for name, preset, source in (
        ("scratch", "scratch/demo", None),
        (_AFTER_MIM, "finetune/demo", pretraining),
    ):
        if cancel.requested:
            break
        report.restart()
        run = Run(_run_folder(out, name))
        trained = load_recipe(preset, kind=SegmentationRecipe)
        jobs.finetune(
            cohort,
            trained,
            run,
            pretrained=source,
            split=pretraining.split(),
            budget=jobs.LabelBudget(_LABELLED),
            settings=settings,
            on_event=report,
            cancel=cancel,
        )
        found = jobs.evaluate(run, unseen, device="cpu", on_event=report, cancel=cancel)
        if found.outcome is Outcome.STOPPED:
            break
        results[name] = found.reported
        test = [cohort.subject(subject_id).frames[0].path for subject_id in _test_subjects(results)]
        jobs.segment(run, test, run.folder / _SEGMENTED, device="cpu", on_event=report, cancel=cancel)
    return results


def _test_subjects(results: Results) -> list[str]:
    (scores, *_) = results.values()
    return sorted({score.subject for score in scores})[:_SHOWN]


def _run_folder(out: Path, name: str) -> Path:
    return out / "runs" / name.replace(" ", "-")


def _lines(scores: tuple[Score, ...]) -> list[str]:
    from cmr_ssp.evaluation import scores_csv

    return scores_csv(scores).splitlines()[1:]


def _table(results: Results) -> Table:
    n = len({score.subject for scores in results.values() for score in scores})
    title = f"3D Dice on {n} unseen phantom subjects, trained on the same {_LABELLED}"
    rows = [
        (name, *("n/a" if cell is None else f"{cell:.3f}" for cell in cells.values()))
        for name, cells in _mean_dice(results).items()
    ]
    return make_table(("", *(structure.name for structure in Structure), "mean"), rows, title)


def _mean_dice(results: Results) -> dict[str, dict[str, float | None]]:
    """Return mean Dice by method, then structure."""
    from cmr_ssp.evaluation import mean_dice

    return {
        name: {structure.name: mean_dice(scores, (structure,)) for structure in Structure}
        | {"mean": mean_dice(scores)}
        for name, scores in results.items()
    }


def _draw(cohort: Cohort, results: Results, out: Path) -> None:
    """Draw a middle slice at ED and ES of a few test subjects: the reference beside each method."""
    from cmr_ssp.cli.overlays import Panel, save_overlays
    from cmr_ssp.files import open_cine, open_stack, read_segmentation, resolve_subject

    rows = []
    for subject_id in _test_subjects(results):
        subject = resolve_subject(cohort.subject(subject_id))
        pixels = open_stack(subject).load()
        found = {
            name: open_cine(_run_folder(out, name) / _SEGMENTED / f"{subject_id}_seg.nii.gz").load()
            for name in results
        }
        middle = pixels.shape[1] // 2
        row = []
        for phase in Phase:
            drawn = read_segmentation(subject, phase)
            image = pixels[drawn.frame, middle]
            row.append(Panel(f"{subject_id} {phase}, reference", image, drawn.labels[middle]))
            row += [
                Panel(name, image, labels[drawn.frame, middle].astype("uint8"))
                for name, labels in found.items()
            ]
        rows.append(row)
    save_overlays(out / "overlays.png", rows)
