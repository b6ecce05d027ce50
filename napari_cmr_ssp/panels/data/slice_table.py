"""Table model of the slices and frames of a series: trigger times, and slices that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cmr_ssp.files.dicom import DicomSeries, SliceTimes, SortOptions
from cmr_ssp.files.dicom.fitting import commonest
from qtpy.QtCore import QModelIndex, QObject, Qt

from napari_cmr_ssp.widgets.text_table import TONE_ROLE, TextTable, Tone

_FACTS = ("Slice at", "Frames", "Acquired")
_MISSING = {"refuse": "missing", "skip": "missing: left out", "interpolate": "missing: interpolated"}


class SliceTable(TextTable):
    """One row per slice and one column per frame; slices that do not fit are highlighted."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(_FACTS, parent)
        self._odd: tuple[bool, ...] = ()

    def show(self, series: DicomSeries | None, options: SortOptions) -> None:
        """Show the slices of a series, and the effect of the options on slices that do not fit."""
        slices = series.slices if series is not None else ()
        usual = commonest(at.n_frames for at in slices) if slices else 0
        columns = max((at.n_frames for at in slices), default=0)
        rows = [row for at in slices for row in _rows(at, usual, columns, options)]
        self._columns = (*_FACTS, *(str(number) for number in range(1, columns + 1)))
        self._odd = tuple(is_odd for is_odd, _ in rows)
        self.replace(tuple(row for _, row in rows))

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the name of a column; frames are counted from 1, as on scanners."""
        is_frame = orientation == Qt.Orientation.Horizontal and section >= len(_FACTS)
        if role == Qt.ItemDataRole.ToolTipRole and is_frame:
            return f"Trigger time of frame {self._columns[section]} in ms"
        return super().headerData(section, orientation, role)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text or tone of a cell."""
        if role == TONE_ROLE and self._odd[index.row()]:
            return Tone.WARNING
        return super().data(index, role)


def _rows(
    at: SliceTimes, usual: int, columns: int, options: SortOptions
) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Yield whether a row is highlighted, and its texts: missing slices first, then this slice."""
    for _ in range(at.n_missing_before):
        yield True, (_MISSING[options.missing_slice], "–", "–", *[""] * columns)
    is_other = at.n_frames != usual
    resampled = f", resampled to {usual}" if is_other and options.unequal_frames == "resample" else ""
    acquired = "once" if at.n_acquisitions == 1 else f"{at.n_acquisitions} x, {options.repeated} used"
    times = [f"{time:.0f}" for time in at.trigger_ms] or ["?"] * at.n_frames
    frames = f"{at.n_frames}{resampled}"
    cells = (f"{at.position_mm:.1f} mm", frames, acquired, *times, *[""] * (columns - at.n_frames))
    yield is_other or at.n_acquisitions > 1, cells
