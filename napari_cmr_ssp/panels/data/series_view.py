"""The series of the DICOM exam of one subject, and why it was refused or how it was opened."""

from __future__ import annotations

import html
from collections.abc import Sequence

from cmr_ssp.errors import Problem, Severity
from cmr_ssp.files.dicom import DicomFolder
from cmr_ssp.subjects import Subject
from psygnal import Signal
from qtpy.QtWidgets import QAbstractItemView, QPushButton, QTableView, QVBoxLayout, QWidget

from napari_cmr_ssp.panels.data.series_table import SeriesTable, may_be_cine, needs_choice
from napari_cmr_ssp.widgets.tables import table_of, wrap_texts
from napari_cmr_ssp.widgets.texts import coloured
from napari_cmr_ssp.widgets.tones import ToneLabel

_MIN_PX, _MAX_PX = 76, 132
_CHOICES = {
    "unequal_frames": "resample slices in time by trigger time",
    "missing_slice": "leave out or interpolate missing slices",
    "repeated": "use the last or the first acquisition of a slice",
}


class SeriesView(QWidget):
    """Shows the series of one exam; the signal `choice_requested` has the subject."""

    choice_requested = Signal(Subject)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.subject: Subject | None = None
        self.model = SeriesTable(self)
        self.about = ToneLabel()
        self.table = series_view_of(self.model)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setMinimumHeight(_MIN_PX)
        self.table.setMaximumHeight(_MAX_PX)
        self.choose = QPushButton("Choose how to open ...")
        self.choose.setToolTip(
            "Choose the stack and what to do with slices that do not fit; shows all trigger times"
        )
        self.choose.clicked.connect(self._request_choice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.about)
        layout.addWidget(self.table)
        layout.addWidget(self.choose)
        self.hide()

    def _request_choice(self) -> None:
        if self.subject is not None:
            self.choice_requested.emit(self.subject)

    def show_exam(self, subject: Subject, folder: DicomFolder, reasons: Sequence[Problem]) -> None:
        """Show the series of an exam.

        Parameters
        ----------
        subject : Subject
            Subject of the exam.
        folder : DicomFolder
            The exam as listed with the options of the subject.
        reasons : sequence of Problem
            Reasons why it was refused; empty if it was not.
        """
        self.subject = subject
        self.model.show(folder.series)
        self.about.setText(_about(subject, folder, reasons))
        self.choose.setVisible(needs_choice(folder))
        self.show()

    def clear(self) -> None:
        """Hide the widget."""
        self.subject = None
        self.hide()


def series_view_of(model: SeriesTable) -> QTableView:
    """Create a table view of series with wrapped reasons."""
    table = table_of(model)
    wrap_texts(table, 0, 2)
    return table


def _about(subject: Subject, folder: DicomFolder, reasons: Sequence[Problem]) -> str:
    name = f"<b>{html.escape(subject.id)}</b>"
    if reasons:
        whats = coloured("; ".join(problem.what for problem in reasons), Severity.ERROR)
        ways = _offered_choices(folder)
        # command-line remedies only if the window has none
        on = f"You can: {'; '.join(ways)}." if ways else html.escape(reasons[0].remedy)
        return f"{name} was refused: {whats}. {on}"
    if subject.sorting is not None:
        stack = folder.stack(subject.sorting.series or 1)
        done = stack.alterations if stack is not None else ()
        how = coloured(", ".join(done), Severity.WARNING) if done else "without changes"
        return f"{name} was opened with your choices: {how}."
    return f"{name}: series of the exam"


def _offered_choices(folder: DicomFolder) -> list[str]:
    likely = [series for series in folder.series if may_be_cine(series)]
    several = ["choose which stack is the cine"] * (len(likely) > 1)
    needed = {choice for series in likely for choice in series.choices}
    return several + [way for choice, way in _CHOICES.items() if choice in needed]
