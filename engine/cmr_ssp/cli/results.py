"""``cmr-ssp segment`` and ``cmr-ssp evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.atomic import write_text
from cmr_ssp.cli.options import (
    Checkpoint,
    Device,
    Folder,
    LabelFolder,
    Phases,
    Shown,
    open_labelled,
    parse_phases,
    require_replaceable,
)
from cmr_ssp.cli.progress import exit_if_stopped, reporting
from cmr_ssp.cli.terminal import make_table

if TYPE_CHECKING:
    from rich.table import Table

    from cmr_ssp.evaluation import Score

_PHASES: Mapping[str, tuple[Phase, ...]] = {"ED": (Phase.ED,), "ES": (Phase.ES,), "both": tuple(Phase)}


def segment(
    run: Annotated[Path, Parameter(help="Run of `cmr-ssp finetune`.")],
    *cines: Annotated[Path, Parameter(help="NIfTI files, 4D or 3D; folders or zips of DICOM.")],
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], help="Folder, or one .nii.gz file for one cine.")
    ],
    labels: Annotated[
        Literal["mnms", "acdc"],
        Parameter(help="Numbering of the label files: LV 1, MYO 2, RV 3, or that of ACDC."),
    ] = "mnms",
    replace: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Overwrite segmentations of other exams and edited ones; the old file is kept as .bak.",
        ),
    ] = False,
    checkpoint: Checkpoint = "last",
    device: Device = "auto",
    terminal: Shown,
) -> None:
    """Segment every frame of cines, in the geometry of each source file."""
    from cmr_ssp import jobs
    from cmr_ssp.runs import Run

    with reporting(terminal) as (report, cancel):
        done = jobs.segment(
            Run(run),
            cines,
            output,
            numbering=labels,
            replace=replace,
            checkpoint=checkpoint,
            device=device,
            on_event=report,
            cancel=cancel,
        )
    for cine, file in done.files:
        terminal.note(f"{cine} -> {file}")
    exit_if_stopped(done.outcome)
    terminal.give(written=[file for _, file in done.files])


def evaluate(
    run: Annotated[Path, Parameter(help="Run of `cmr-ssp finetune`.")],
    folder: Folder,
    *,
    csv: Annotated[Path, Parameter(help="CSV file to write, with one row per subject, phase and structure.")],
    phases: Phases = "ED,ES",
    labels: LabelFolder = None,
    checkpoint: Checkpoint = "last",
    device: Device = "auto",
    terminal: Shown,
) -> None:
    """Score a run by 3D Dice on the image's own voxel grid; means include only test subjects."""
    from cmr_ssp import jobs
    from cmr_ssp.evaluation import SCORES_BEGIN, scores_csv
    from cmr_ssp.runs import Run

    require_replaceable(csv, SCORES_BEGIN)
    cohort = open_labelled(folder, labels, terminal)
    with reporting(terminal) as (report, cancel):
        found = jobs.evaluate(
            Run(run),
            cohort,
            phases=parse_phases(phases),
            checkpoint=checkpoint,
            device=device,
            on_event=report,
            cancel=cancel,
        )
    exit_if_stopped(found.outcome)
    write_text(csv, scores_csv(found.scores))
    n = len({score.subject for score in found.reported})
    whose = "external subjects" if found.foreign else "test subjects"
    if n:
        of = "" if checkpoint == "last" else f", {checkpoint}"
        terminal.show(dice_table(found.reported, f"3D Dice, {n} {whose}{of}"))
    else:
        terminal.show("no test subject of this cohort is labelled, so there is no mean to report")
    terminal.note(f"-> {csv}")
    if found.function:
        terminal.note(f"volumes and EF beside the references: cmr-ssp agreement {run}")
    terminal.give(
        written=csv, checkpoint=checkpoint, subjects=n, foreign=found.foreign, dice=_dice(found.reported)
    )


def dice_table(scores: Sequence[Score], title: str) -> Table:
    """Return a table of mean Dice by structure and phase."""
    rows = [
        (name, *("n/a" if cell is None else f"{cell:.3f}" for cell in cells.values()))
        for name, cells in _dice(scores).items()
    ]
    return make_table(("", *(structure.name for structure in Structure), "mean"), rows, title)


def _dice(scores: Sequence[Score]) -> dict[str, dict[str, float | None]]:
    """Return mean Dice by phase and structure; None without scores."""
    from cmr_ssp.evaluation import mean_dice

    return {
        name: {structure.name: mean_dice(scores, (structure,), phases) for structure in Structure}
        | {"mean": mean_dice(scores, phases=phases)}
        for name, phases in _PHASES.items()
    }
