"""Dialog for opening a DICOM exam that was refused or can be sorted in several ways."""

from __future__ import annotations

from typing import Any

from cmr_ssp.errors import Severity
from cmr_ssp.files.dicom import DicomFolder, DicomSeries, SortOptions
from cmr_ssp.subjects import CineStack, Subject
from psygnal import Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.panels.data.series_table import SeriesTable, may_be_cine
from napari_cmr_ssp.panels.data.series_view import series_view_of
from napari_cmr_ssp.panels.data.slice_table import SliceTable
from napari_cmr_ssp.widgets.tables import fit_columns, selected_rows, selection_of, table_of
from napari_cmr_ssp.widgets.texts import coloured, problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

_SIZE_PX = (720, 540)
_SERIES_PX = 110
_FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "unequal_frames": (
        "Slices with a different number of frames",
        {"refuse": "Do not open the exam", "resample": "Resample in time, by trigger time"},
    ),
    "repeated": (
        "Slices acquired more than once",
        {"last": "Use the last acquisition", "first": "Use the first acquisition"},
    ),
    "missing_slice": (
        "Missing or rotated slices",
        {
            "refuse": "Do not open the exam",
            "skip": "Leave them out",
            "interpolate": "Interpolate between neighbouring slices",
        },
    ),
}


class SortingDialog(QDialog):
    """Lets the user choose the stack and what to do with slices that do not fit, with a table of all slices.

    The dialog reads no files: `preview_requested` (subject, options) is answered by `show_preview`, and
    `open_requested` has the same arguments when the user accepts.
    """

    preview_requested = Signal(Subject, SortOptions)
    open_requested = Signal(Subject, SortOptions)

    def __init__(self, subject: Subject, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"How to open {subject.id}")
        self.resize(*_SIZE_PX)
        self._subject = subject
        self._folder: DicomFolder | None = None
        self._is_updating = False
        self._series_number = subject.sorting.series if subject.sorting is not None else None
        self.series = SeriesTable(self)
        self.series_table = series_view_of(self.series)
        self.series_table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.series_table.setMaximumHeight(_SERIES_PX)
        self.fields = {name: _combo(texts) for name, (_, texts) in _FIELDS.items()}
        self.slices = SliceTable(self)
        self.slice_table = table_of(self.slices)
        fit_columns(self.slice_table)
        self.verdict = ToneLabel("Reading ...")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        open_button = buttons.addButton("Open exam", QDialogButtonBox.ButtonRole.AcceptRole)
        assert open_button is not None
        self.open_button = open_button
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._lay_out(buttons)
        self._set_options(subject.sorting or SortOptions())
        for field in self.fields.values():
            field.currentIndexChanged.connect(self._request_preview)
        selection_of(self.series_table).selectionChanged.connect(self._on_series_selected)
        self._update()

    @property
    def options(self) -> SortOptions:
        """The options selected by the user."""
        return SortOptions(self._series_number, *self._values())

    def accept(self) -> None:
        """Close the dialog and request to open the exam."""
        if self.open_button.isEnabled():
            super().accept()
            self.open_requested.emit(self._subject, self.options)

    def show_preview(self, options: SortOptions, folder: DicomFolder) -> None:
        """Show the exam as listed with `options`; answers to earlier requests are ignored."""
        if options != self.options:
            return
        self._folder = folder
        if self._series_number is None and self._choose_first(folder):
            return
        self._is_updating = True
        self.series.show(folder.series)
        if self._series_number is not None:
            self.series_table.selectRow(self._series_number - 1)
        self._is_updating = False
        self._update()

    def _choose_first(self, folder: DicomFolder) -> bool:
        """Select the first series that may be the cine, and request its preview."""
        likely = [n for n, series in enumerate(folder.series, start=1) if may_be_cine(series)]
        if likely:
            self._series_number = likely[0]
            self._request_preview()
        return bool(likely)

    def _on_series_selected(self) -> None:
        rows = selected_rows(self.series_table)
        if rows and not self._is_updating:
            self._series_number = rows[0].row() + 1
            self._request_preview()

    def _request_preview(self) -> None:
        self.open_button.setEnabled(False)
        self.preview_requested.emit(self._subject, self.options)

    @property
    def _selected_series(self) -> DicomSeries | None:
        if (
            self._folder is None
            or self._series_number is None
            or self._series_number > len(self._folder.series)
        ):
            return None
        return self._folder.series[self._series_number - 1]

    @property
    def _stack(self) -> CineStack | None:
        """The cine of the selected series with the current options."""
        if self._folder is None or self._series_number is None or self._selected_series is None:
            return None
        return self._folder.stack(self._series_number)

    def _update(self) -> None:
        """Show the options that affect the selected series, its table of slices, and the result."""
        series, stack = self._selected_series, self._stack
        self.slices.show(series, self.options)
        choices = series.choices if series is not None else frozenset()
        for name, field in self.fields.items():
            self.form.setRowVisible(field, name in choices)
        self.open_button.setEnabled(stack is not None)
        if self._folder is not None:
            self.verdict.setText(_verdict(self._folder, series, stack))

    def _values(self) -> list[Any]:
        return [self.fields[name].currentData() for name in ("unequal_frames", "repeated", "missing_slice")]

    def _set_options(self, options: SortOptions) -> None:
        for name, field in self.fields.items():
            field.setCurrentIndex(field.findData(getattr(options, name)))

    def _lay_out(self, buttons: QDialogButtonBox) -> None:
        self.form = QFormLayout()
        for name, (label, _) in _FIELDS.items():
            self.form.addRow(label, self.fields[name])
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel("Series of the exam; grey ones are not short-axis cines:"))
        layout.addWidget(self.series_table)
        layout.addLayout(self.form)
        layout.addWidget(QLabel("Slices and frames as acquired, trigger times in ms:"))
        layout.addWidget(self.slice_table, stretch=1)
        layout.addWidget(self.verdict)
        layout.addWidget(buttons)


def _combo(texts: dict[str, str]) -> QComboBox:
    field = QComboBox()
    for value, text in texts.items():
        field.addItem(text, value)
    return field


def _verdict(folder: DicomFolder, series: DicomSeries | None, stack: CineStack | None) -> str:
    if stack is not None:
        size = f"<b>Opens as {stack.grid.shape[0]} slices x {stack.n_frames} frames.</b>"
        notes = [
            f"{problem.what[0].upper()}{problem.what[1:]}."
            for problem in stack.problems
            if problem not in folder.problems
        ]
        return " ".join([size, *(coloured(note, Severity.WARNING) for note in notes)])
    if series is None:
        return problem_html(folder.problems) or "None of its series can be a short-axis cine."
    ask = " Choose an option above." if series.choices else ""
    return coloured(f"Refused: {series.reason}.", Severity.ERROR) + ask
