"""Table model of the series of a DICOM exam, with the reason why a series is not a short-axis cine."""

from __future__ import annotations

import html
from typing import Any

from cmr_ssp.files.dicom import DicomFolder, DicomSeries
from qtpy.QtCore import QModelIndex, QObject, Qt

from napari_cmr_ssp.widgets.text_table import TONE_ROLE, TextTable, Tone

_COLUMNS = ("Images", "Slices x frames", "Short-axis cine")


def may_be_cine(series: DicomSeries) -> bool:
    """Return whether a series can be opened with default or other options."""
    return series.reason is None or bool(series.choices)


def needs_choice(folder: DicomFolder) -> bool:
    """Return whether an exam can be opened in more than one way."""
    likely = [series for series in folder.series if may_be_cine(series)]
    return len(likely) > 1 or any(series.choices for series in likely)


class SeriesTable(TextTable):
    """One row per series; series that are not short-axis cines are grey and cannot be selected."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(_COLUMNS, parent)
        self.series: tuple[DicomSeries, ...] = ()

    def show(self, series: tuple[DicomSeries, ...]) -> None:
        """Replace all rows."""
        self.series = series
        n_likely = sum(map(may_be_cine, series))
        self.replace(
            tuple(
                (each.description, f"{each.n_slices} x {each.n_frames}", _verdict(each, n_likely))
                for each in series
            )
        )

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Allow selecting only series that may be the cine."""
        if not may_be_cine(self.series[index.row()]):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, tool tip or tone of a cell."""
        series = self.series[index.row()]
        if role == Qt.ItemDataRole.ToolTipRole:
            about = series.reason or self.rows[index.row()][2]
            return f"<p>{html.escape(series.description)}: {html.escape(about)}</p>"
        if role == TONE_ROLE and series.reason is not None:
            return Tone.WARNING if series.choices else Tone.FAINT
        return super().data(index, role)


def _verdict(series: DicomSeries, n_likely: int) -> str:
    if series.reason is None:
        return "yes" if n_likely == 1 else "possible"
    return "needs a choice" if series.choices else f"no: {series.reason}"
