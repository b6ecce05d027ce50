"""``cmr-ssp convert``: convert the short-axis cine of a DICOM exam to NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cmr_ssp.cli.options import Shown
from cmr_ssp.cli.terminal import make_table, plain

if TYPE_CHECKING:
    from rich.table import Table

    from cmr_ssp.files.dicom import DicomSeries

_WHERE = "the exam"  # its path may identify the person


def convert(
    source: Annotated[Path, Parameter(help="Folder, .zip or multi-frame file of one DICOM exam.")],
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="The .nii.gz file to write.")],
    series: Annotated[
        int | None, Parameter(help="Number of the listed series to convert, if several may be the cine.")
    ] = None,
    unequal_frames: Annotated[
        Literal["refuse", "resample"], Parameter(help="If slices have different numbers of frames.")
    ] = "refuse",
    repeated: Annotated[
        Literal["last", "first"], Parameter(help="Which acquisition of a repeated slice to use.")
    ] = "last",
    missing_slice: Annotated[
        Literal["refuse", "skip", "interpolate"], Parameter(help="If a slice is missing or rotated.")
    ] = "refuse",
    terminal: Shown,
) -> None:
    """Convert the short-axis cine of a DICOM exam to a 4D NIfTI file without personal data.

    The cine is found by orientation and position. All series are listed first.
    """
    from cmr_ssp.files.cine_writing import write_cine
    from cmr_ssp.files.dicom import SortOptions, list_dicom, open_dicom

    options = SortOptions(series, unequal_frames, repeated, missing_slice)
    found = list_dicom(source, options, where=_WHERE)
    terminal.show(_series_table(found.series))
    shown = _shown(found.series, series)
    terminal.show(_frame_table(found.series[shown], shown + 1))
    stack = open_dicom(source, options, where=_WHERE)
    for problem in stack.problems:
        terminal.problem(problem)
    write_cine(output, stack)
    n_slices, n_frames = stack.grid.shape[0], stack.n_frames
    terminal.note(f"{n_slices} slices x {n_frames} frames -> {output}")
    terminal.give(written=output, slices=n_slices, frames=n_frames)


def _shown(series: tuple[DicomSeries, ...], asked: int | None) -> int:
    """Return the index of the requested series, or else of the first that can be opened."""
    if asked is not None and 1 <= asked <= len(series):
        return asked - 1
    return next((index for index, each in enumerate(series) if each.reason is None), 0)


def _series_table(series: tuple[DicomSeries, ...]) -> Table:
    table = make_table(("", "images", "slices", "frames", "short-axis cine"), (), "found")
    for number, each in enumerate(series, start=1):
        cells = (str(number), each.description, str(each.n_slices), str(each.n_frames), each.reason or "yes")
        table.add_row(*map(plain, cells), style=None if each.reason is None else "dim")
    return table


def _frame_table(series: DicomSeries, number: int) -> Table:
    rows = []
    for at in series.slices:
        times = f"{at.trigger_ms[0]:.0f} to {at.trigger_ms[-1]:.0f}" if at.trigger_ms else "unknown"
        again = "once" if at.n_acquisitions == 1 else f"{at.n_acquisitions} times"
        rows.append((f"{at.position_mm:.1f}", str(at.n_frames), times, again))
    columns = ("slice at mm", "frames", "trigger times ms", "acquired")
    return make_table(columns, rows, f"slices of {number}")
