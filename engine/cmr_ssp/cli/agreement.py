"""``cmr-ssp agreement`` and ``cmr-ssp repeatability``: how good and how stable volumes and EF are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from cmr_ssp.atomic import write_text
from cmr_ssp.cli.options import Checkpoint, Device, Shown, require_replaceable
from cmr_ssp.cli.progress import exit_if_stopped, reporting
from cmr_ssp.cli.terminal import make_table
from cmr_ssp.errors import CohortError, ScoreError

if TYPE_CHECKING:
    from rich.table import Table

    from cmr_ssp.evaluation import SubjectRole
    from cmr_ssp.function.agreement import Agreement, Values
    from cmr_ssp.runs import CheckpointName, Run
    from cmr_ssp.subjects import CineStack

_UNKNOWN = "n/a"


def agreement(
    found: Annotated[
        Path, Parameter(help="A run that was scored, or a table with subject, quantity and value.")
    ],
    references: Annotated[
        Path | None, Parameter(help="Table with the reference values; for a run, those of the scored cohort.")
    ] = None,
    *,
    csv: Annotated[Path | None, Parameter(help="Table to write, with one row per quantity.")] = None,
    plots: Annotated[
        Path | None, Parameter(help="Folder for a Bland-Altman and a scatter plot of each quantity (PNG).")
    ] = None,
    subjects: Annotated[
        Literal["test", "unseen"],
        Parameter(help="Of a run: test subjects, or also pool subjects that training did not use."),
    ] = "test",
    checkpoint: Checkpoint = "last",
    terminal: Shown,
) -> None:
    """Compare volumes, EF and LV mass with references: bias, limits of agreement, correlation."""
    from cmr_ssp.function.agreement import AGREEMENT_BEGIN, agreement_csv, agreements, read_values
    from cmr_ssp.reports.agreement_plots import write_agreement_plot

    if csv is not None:
        require_replaceable(csv, AGREEMENT_BEGIN)
    measured, known = _values(found, subjects, checkpoint) if found.is_dir() else (read_values(found), None)
    known = read_values(references) if references is not None else known
    if known is None:
        raise ScoreError.of(found, "it has no references", "Also give the table of the references.")
    rows = agreements(measured, known)
    if not rows:
        what = "no subject has a measurement and a reference of the same quantity"
        raise ScoreError.of(found, what, "Check the subjects and quantities of both tables.")
    terminal.show(_agreement_table(rows))
    if csv is not None:
        write_text(csv, agreement_csv(rows))
        terminal.note(f"-> {csv}")
    files = [] if plots is None else [plots / f"agreement-{r.quantity.replace(' ', '-')}.png" for r in rows]
    for row, file in zip(rows, files, strict=False):
        write_agreement_plot(row, file)
        terminal.note(f"-> {file}")
    terminal.give(written=[path for path in (csv, *files) if path], agreement=[_as_json(row) for row in rows])


def repeatability(
    run: Annotated[Path, Parameter(help="Run of `cmr-ssp finetune`.")],
    *cines: Annotated[Path, Parameter(help="NIfTI files with all frames; folders or zips of DICOM.")],
    cohort: Annotated[
        Path | None,
        Parameter(help="Folder of subjects; those that are test subjects of the run are used, too."),
    ] = None,
    csv: Annotated[Path | None, Parameter(help="Table to write, with one row per repetition.")] = None,
    snr: Annotated[
        float, Parameter(help="Signal of the LV cavity over the added noise.", validator=Number(gt=0))
    ] = 20.0,
    checkpoint: Checkpoint = "last",
    device: Device = "auto",
    terminal: Shown,
) -> None:
    """Measure how EDV, ESV and EF change if a cine is noisier, shifted by half a pixel or turned."""
    from cmr_ssp import jobs
    from cmr_ssp.function.repeatability import (
        AIM_PERCENT,
        REPEATABILITY_BEGIN,
        pooled_cv_percent,
        pooled_ef_sd,
        repeatability_csv,
    )
    from cmr_ssp.runs import Run

    if csv is not None:
        require_replaceable(csv, REPEATABILITY_BEGIN)
    stacks = _stacks(Run(run), cines, cohort)
    with reporting(terminal) as (report, cancel):
        done = jobs.repeat(
            Run(run), stacks, snr=snr, checkpoint=checkpoint, device=device, on_event=report, cancel=cancel
        )
    exit_if_stopped(done.outcome)
    for each in done.cines:
        terminal.show(each.sentence)
    pooled, n = pooled_cv_percent(done.cines), len(done.cines)
    cv, sd = _UNKNOWN if pooled is None else f"{pooled:.1f} %", pooled_ef_sd(done.cines)
    terminal.show(f"coefficient of variation of EF, {n} cines: {cv} (aim: at most {AIM_PERCENT} %)")
    if sd is not None:
        terminal.show(f"standard deviation of EF within a cine: {sd:.1f} percentage points")
    if csv is not None:
        write_text(csv, repeatability_csv(done.cines))
        terminal.note(f"-> {csv}")
    terminal.give(
        written=csv,
        ef_cv_percent=pooled,
        ef_sd=sd,
        snr=snr,
        cines={each.subject: each.cv_percent for each in done.cines},
    )


def _values(folder: Path, subjects: str, checkpoint: CheckpointName) -> tuple[Values, Values]:
    """Return measurements and references that are stored in a run."""
    from cmr_ssp.evaluation import SubjectRole
    from cmr_ssp.function.agreement import values_of
    from cmr_ssp.function.intervals import UNSEEN
    from cmr_ssp.runs import Run, stored_function

    roles: Sequence[SubjectRole] = UNSEEN if subjects == "unseen" else (SubjectRole.TEST,)
    rows = [row for row in stored_function(Run(folder), checkpoint) if row.role in roles]
    if not rows:
        what = f"no {subjects} subject of it has volumes with a reference"
        raise ScoreError.of(folder, what, "Score the run with `cmr-ssp evaluate` first.")
    return values_of(rows)


def _stacks(run: Run, cines: Sequence[Path], folder: Path | None) -> dict[str, CineStack]:
    """Open the cines, and the test subjects of a cohort, by name."""
    from cmr_ssp.files import open_cine, open_cohort, open_stack
    from cmr_ssp.subjects import Role

    alike = len({path.name for path in cines}) < len(cines)
    stacks = {str(path) if alike else path.name: open_cine(path) for path in cines}
    if folder is not None:
        split = run.split()
        for subject in open_cohort(folder).subjects:
            if split.role(subject.id) is Role.TEST:
                stacks[subject.id] = open_stack(subject)
    if not stacks:
        where = folder or "repeatability"
        raise CohortError.of(where, "no cine was given", "Give cines, or a cohort with test subjects.")
    return stacks


def _agreement_table(rows: Sequence[Agreement]) -> Table:
    columns = ("", "n", "bias", "limits of agreement", "mean absolute", "r", "ICC")
    cells = []
    for row in rows:
        unit, limits = row.quantity.unit, row.limits
        between = _UNKNOWN if limits is None else f"{limits[0]:+.1f} to {limits[1]:+.1f} {unit}"
        shares = (_UNKNOWN if value is None else f"{value:.3f}" for value in (row.r, row.icc))
        sizes = (f"{row.bias:+.1f} {unit}", between, f"{row.mean_absolute:.1f} {unit}")
        cells.append((str(row.quantity), str(row.n), *sizes, *shares))
    return make_table(columns, cells, "Measured minus reference")


def _as_json(row: Agreement) -> dict[str, object]:
    return {
        "quantity": row.quantity,
        "unit": row.quantity.unit,
        "n": row.n,
        "bias": row.bias,
        "limits": row.limits,
        "mean_absolute": row.mean_absolute,
        "r": row.r,
        "icc": row.icc,
    }
