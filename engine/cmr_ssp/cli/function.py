"""``cmr-ssp function``: volumes, ejection fraction and mass of a segmented cine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from cyclopts import Parameter
from cyclopts.validators import Number

from cmr_ssp.anatomy import NUMBERINGS, Phase
from cmr_ssp.atomic import write_text
from cmr_ssp.cli.options import Numbers, Shown, require_replaceable
from cmr_ssp.cli.terminal import make_table
from cmr_ssp.errors import LabelError, ScoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from cmr_ssp.function.cines import MeasuredCine
    from cmr_ssp.function.summary import CardiacFunction

_STEPS = {"parts": "SMALL_PARTS", "holes": "HOLES", "wall": "GAPS"}
Frame = Annotated[int | None, Parameter(validator=Number(gte=0))]


def function(
    *segmentations: Annotated[Path, Parameter(help="Labels of a cine (4D NIfTI), or of ED and of ES.")],
    image: Annotated[
        Path | None, Parameter(help="The cine, NIfTI or DICOM: for papillary muscles and heart rate.")
    ] = None,
    csv: Annotated[
        Path | None, Parameter(help="Table to write: structure, quantity, unit and value.")
    ] = None,
    report: Annotated[
        Path | None, Parameter(help="One page to write: .pdf, or .dcm for a PDF in DICOM. Names no patient.")
    ] = None,
    title: Annotated[
        str | None,
        Parameter(help="Title of the page; by default a digest, since names may tell."),
    ] = None,
    ed: Annotated[Frame, Parameter(help="Frame of ED, from 0; by default the largest LV.")] = None,
    es: Annotated[Frame, Parameter(help="Frame of ES, from 0; by default the smallest LV.")] = None,
    rv_phases: Annotated[
        Literal["lv", "own"], Parameter(help="Measure the RV at ED and ES of the LV, or at its own.")
    ] = "lv",
    slices: Annotated[
        Literal["half wall", "as drawn"],
        Parameter(help="LV slices that count: with wall around half of the cavity, or all drawn ones."),
    ] = "half wall",
    papillary: Annotated[
        Literal["cavity", "wall"], Parameter(help="Where papillary muscles count; the wall needs --image.")
    ] = "cavity",
    tidy: Annotated[
        list[Literal["parts", "holes", "wall"]] | None,
        Parameter(
            negative=(),
            help="Before measuring, keep the largest part of each structure in a slice, fill holes, or close "
            "gaps in the wall; the file stays as it is.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        Parameter(help="Run that made the contours: intervals from subjects on which it was scored."),
    ] = None,
    height_cm: Annotated[float | None, Parameter(help="Height.")] = None,
    weight_kg: Annotated[float | None, Parameter(help="Weight.")] = None,
    heart_rate_bpm: Annotated[
        float | None, Parameter(help="Heart rate, if the files do not have it.")
    ] = None,
    labels: Numbers = None,
    terminal: Shown,
) -> None:
    """Measure volumes, ejection fraction, output and mass of a segmented heart. Research use only."""
    from cmr_ssp.function.choices import FunctionChoices, PapillarySide
    from cmr_ssp.function.cines import measure_function
    from cmr_ssp.function.slices import SliceRule
    from cmr_ssp.function.summary import FUNCTION_BEGINS, function_csv
    from cmr_ssp.function.tidying import Step
    from cmr_ssp.reports.function_page import ReportText, require_report, write_report

    if not segmentations:
        raise LabelError.of("command line", "no label file was given", "Give a segmentation (NIfTI).")
    if csv is not None:
        require_replaceable(csv, FUNCTION_BEGINS)
    if report is not None:
        require_report(report)
    chosen = {Phase.ED: ed, Phase.ES: es}
    choices = FunctionChoices(
        phases={phase: frame for phase, frame in chosen.items() if frame is not None},
        rv_has_own_phases=rv_phases == "own",
        rule=SliceRule(slices),
        papillary_side=PapillarySide(papillary),
        tidying=frozenset(Step[_STEPS[each]] for each in tidy or ()),
        height_cm=height_cm,
        weight_kg=weight_kg,
        heart_rate_bpm=heart_rate_bpm,
    )
    found = measure_function(segmentations, image, choices, NUMBERINGS[labels] if labels else None)
    terminal.show(_table(found.function))
    sure = _intervals(run, found, segmentations[0]) if run is not None else ()
    changed = (f"Post-processing changed {len(found.changes)} contours.",) if tidy else ()
    flags = found.flags()
    for line in (*sure, *found.function.notes, *changed, *flags):
        terminal.note(line)
    if csv is not None:
        write_text(csv, function_csv(found.function))
        terminal.note(f"{len(found.function.quantities)} quantities -> {csv}")
    if report is not None:
        write_report(report, found, ReportText(title or found.name, flags, sure, found.walls()))
        terminal.note(f"report -> {report}")
    terminal.give(
        written=csv,
        report=report,
        function=_as_json(found.function),
        intervals=list(sure),
        flags=list(flags),
    )


def _intervals(run: Path, found: MeasuredCine, segmentation: Path) -> tuple[str, ...]:
    """Return how sure the quantities are, from subjects that the run has not seen.

    Raises
    ------
    CmrSspError
        If the run did not make these contours, or was not scored on enough subjects.
    """
    from cmr_ssp.function.comparing import Conditions
    from cmr_ssp.function.intervals import calibrate, lv_intervals
    from cmr_ssp.runs import CheckpointName, Run, file_digest, stored_function

    made, names = Run(run), get_args(CheckpointName)
    files: Mapping[CheckpointName, Path] = dict(zip(names, (made.last, made.best), strict=True))
    digests = {name: file_digest(path) for name, path in files.items() if path.exists()}
    checkpoint = next((name for name, digest in digests.items() if digest == found.checkpoint), None)
    if checkpoint is None:
        what = f"its contours were not made by {run.name}, or were edited since"
        raise LabelError.of(segmentation, what, "Give the run that segmented it, or omit --run.")
    calibrations, problems = calibrate(stored_function(made, checkpoint))
    if not calibrations:
        raise (
            ScoreError(*problems)
            if problems
            else ScoreError.of(
                run, "it was not scored", "Score it with `cmr-ssp evaluate` on at least 20 unseen subjects."
            )
        )
    rate = found.function.rate.bpm if found.function.rate is not None else None
    return lv_intervals(found.function, calibrations, Conditions(None, found.scan.spacing_mm, rate))


def _table(found: CardiacFunction) -> Table:
    """Return what is available, LV beside RV."""
    rows = []
    for name in dict.fromkeys(quantity.name for quantity in found.quantities):
        cells = [q for q in found.quantities if q.name == name]
        if all(cell.value is None for cell in cells):
            continue
        by_structure = {cell.structure: cell.text for cell in cells}
        rows.append((name, *(by_structure.get(each, "") for each in ("LV", "RV", "body")), cells[0].unit))
    return make_table(("", "LV", "RV", "body", "unit"), rows, "Cardiac function, research use only")


def _as_json(found: CardiacFunction) -> dict[str, object]:
    return {
        "quantities": [
            {"structure": q.structure, "quantity": q.name, "unit": q.unit, "value": q.value}
            for q in found.quantities
        ],
        "frames": {
            name: {str(phase): frame for phase, frame in ventricle.phases.items()}
            for name, ventricle in (("LV", found.lv), ("RV", found.rv))
            if ventricle is not None
        },
        "notes": list(found.notes),
    }
