"""Panel view of the Data panel: opens cohorts, lists subjects and ticks labelled phases."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from cmr_ssp.errors import Problem, Severity
from cmr_ssp.files.dicom import DicomFolder
from cmr_ssp.subjects import Cohort, Role, Subject
from cmr_ssp.subjects.split import DEFAULT_TEST_FRACTION
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_cmr_ssp.io.own_labels import OwnByPhase
from napari_cmr_ssp.leaving import ask_about_ticks
from napari_cmr_ssp.panels.data.cohort_table import CohortTable, cohort_table_of
from napari_cmr_ssp.panels.data.filter_row import FilterRow
from napari_cmr_ssp.panels.data.opening_row import OpeningRow
from napari_cmr_ssp.panels.data.picture_store import PictureStore, pixmap_of
from napari_cmr_ssp.panels.data.series_view import SeriesView
from napari_cmr_ssp.panels.data.sorting_dialog import SortingDialog
from napari_cmr_ssp.panels.data.subject_table import SubjectTable, phase_of
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.tables import selected_rows, selection_of
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

_MAX_PROBLEMS = 40


class DataView(QWidget):
    """Shows the subjects of the cohort and their ticks.

    Signals: `place_chosen` (path of a folder, archive or file), `phantoms_requested`; `exam_requested`,
    `series_requested` and `choice_requested` (subject); and `pictures_wanted` (subjects in sight).
    """

    place_chosen = Signal(Path)
    phantoms_requested = Signal()
    exam_requested = Signal(Subject)
    series_requested = Signal(Subject)
    choice_requested = Signal(Subject)
    pictures_wanted = Signal(tuple)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._model = SubjectTable(session, self)
        layout = QVBoxLayout(self)
        layout.setSpacing(4)
        self.opening = OpeningRow()
        self.opening.place_chosen.connect(self.place_chosen.emit)
        self.opening.phantoms_requested.connect(self.phantoms_requested.emit)
        layout.addWidget(self.opening)
        self.summary = QLabel("Open an exam or a folder of cines, or try the phantom cohort.")
        self.summary.setWordWrap(True)
        layout.addWidget(self.summary)
        self.problems = QCollapsible("Warnings")
        self.problems.toggleButton().setToolTip("Show or hide what is wrong in this cohort, and what to do")
        self._problem_text = ToneLabel()
        self.problems.addWidget(self._problem_text)
        layout.addWidget(self.problems)
        self.filter_row = FilterRow()
        self.filter_row.changed.connect(self._model.show_only)
        layout.addWidget(self.filter_row)
        self.table = self._make_table()
        layout.addWidget(self.table, stretch=1)
        self.series = SeriesView()
        self.series.choice_requested.connect(self.choice_requested.emit)
        layout.addWidget(self.series)
        layout.addWidget(self._make_labels_part())
        session.events.cohort.connect(self._show_cohort)
        session.events.ticks.connect(self._show_ticks)
        session.events.split.connect(self._show_ticks)
        self._show_cohort()

    def show_series(self, subject: Subject, folder: DicomFolder | None) -> None:
        """Show the series of a DICOM exam; hide them if `folder` is None."""
        if folder is None:
            self.series.clear()
        else:
            self.series.show_exam(subject, folder, self._model.reasons(subject))

    def show_own_labels(self, own: Mapping[str, OwnByPhase]) -> None:
        """Show the label versions and drafts of subjects, by id."""
        self._model.show_own_labels(own)

    def show_picture(self, subject: Subject, greys: NDArray[np.uint8] | None) -> None:
        """Show the picture of a subject, shape (row, column); None if it has none."""
        self._model.show_picture(subject, None if greys is None else pixmap_of(greys))

    def _make_table(self) -> CohortTable:
        table = cohort_table_of(self._model)
        table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        table.rows_seen.connect(self._want_pictures)
        self._model.modelReset.connect(self._take_rows)
        table.doubleClicked.connect(self._request_exam)
        selection_of(table).currentRowChanged.connect(lambda index, _: self._request_series(index))
        selection_of(table).selectionChanged.connect(lambda *_: self._update_selected())
        table.row_opened.connect(self._request_exam)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._show_menu)
        return table

    def _make_labels_part(self) -> QWidget:
        """Create the widgets about labels, which are hidden for a cohort without labels."""
        self.labels_part = QWidget()
        layout = QVBoxLayout(self.labels_part)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(self._drawing_row())
        layout.addLayout(self._split_row())
        self.ticked = QLabel()
        self.ticked.setWordWrap(True)
        clear = QPushButton("Clear")
        clear.setToolTip("Remove all ticks, also of rows that the filter hides")
        clear.clicked.connect(self._session.clear_ticks)
        ticked = _row(self.ticked, clear)
        ticked.setStretch(0, 1)
        layout.addLayout(ticked)
        return self.labels_part

    def _drawing_row(self) -> QHBoxLayout:
        self.number = _spin(1, 9999, 5, "How many labelled training subjects to draw")
        self.seed = _spin(0, 99999, 0, "Seed of the draw; larger draws contain smaller ones")
        draw = self.draw = QPushButton("Tick drawn")
        draw.setToolTip("Tick labels of subjects drawn from all training subjects, also of hidden rows")
        draw.clicked.connect(self._draw)
        return _row(QLabel("Draw"), self.number, QLabel("seed"), self.seed, draw)

    def _draw(self) -> None:
        """Tick drawn subjects; ask before replacing manual ticks."""
        keep = False
        if self._session.is_ticked_by_hand:
            answer = ask_about_ticks(self, len(self._session.ticks))
            if answer is None:
                return
            keep = answer
        self._session.tick_drawn(self.number.value(), self.seed.value(), keep=keep)

    def _split_row(self) -> QHBoxLayout:
        share = round(100 * DEFAULT_TEST_FRACTION)
        self.test_percent = _spin(0, 90, share, "Share of labelled subjects for the test set")
        self.test_percent.setSuffix(" %")
        self.split_seed = _spin(0, 99999, 0, "Seed of the split")
        redraw = QPushButton("Draw split")
        redraw.setToolTip(
            "Draw test subjects from the whole cohort, whatever the filter shows, evenly over groups; "
            "right click a row to set its role"
        )
        redraw.clicked.connect(
            lambda: self._session.draw_split(self.test_percent.value(), self.split_seed.value())
        )
        return _row(QLabel("Test"), self.test_percent, QLabel("seed"), self.split_seed, redraw)

    def _show_cohort(self) -> None:
        cohort = self._session.cohort
        problems: tuple[Problem, ...] = cohort.problems if cohort is not None else ()
        self.problems.setVisible(bool(problems))
        has_labels = cohort is not None and any(subject.labels for subject in cohort.subjects)
        self.labels_part.setVisible(has_labels)
        if cohort is not None:
            self.summary.setText(_summary(cohort))
            n_errors = sum(problem.severity is Severity.ERROR for problem in problems)
            self.problems.setText(f"{n_errors} problems, {len(problems) - n_errors} warnings")
            self._problem_text.setText(problem_html(problems, _MAX_PROBLEMS))
            self._request_first_series(cohort)
        self._show_ticks()

    def _show_ticks(self) -> None:
        ticks, split = self._session.ticks, self._session.split
        if not self._session.has_roles:
            self.ticked.clear()
            return
        n_volumes = sum(len(phases) for phases in ticks.values())
        train, test = len(split.ids(Role.TRAIN)), len(split.ids(Role.TEST))
        ticked = f"<b>{len(ticks)} subjects, {n_volumes} labelled volumes ticked.</b>"
        few = "" if test else " Without test subjects there is no unbiased score: draw a larger share."
        self.ticked.setText(f"{ticked} {train} training subjects, {test} test subjects.{few}")

    def _request_first_series(self, cohort: Cohort) -> None:
        """Request the series of the exam whose series were shown before, otherwise of the first exam."""
        shown = self.series.subject
        exams = (*cohort.refused, *cohort.subjects)
        self.series.clear()
        if exams and self._session.holds_exams:
            same = [each for each in exams if shown is not None and each.place == shown.place]
            self.series_requested.emit((same or exams)[0])

    def _request_series(self, row: QModelIndex) -> None:
        if row.isValid() and self._session.holds_exams:
            subject = self._model.subject(row.row())
            if subject != self.series.subject:  # the filter selects the same row again
                self.series_requested.emit(subject)

    def _request_exam(self, row: QModelIndex) -> None:
        if row.isValid() and self._model.is_refused(row.row()):
            self.choice_requested.emit(self._model.subject(row.row()))
        elif row.isValid() and phase_of(row) is None:  # no check box
            self.exam_requested.emit(self._model.subject(row.row()))

    @property
    def pictures(self) -> PictureStore:
        """The pictures that were read."""
        return self._model.pictures

    def _want_pictures(self, first: int, last: int) -> None:
        """Ask for the pictures of the rows in sight that have none, and of no others."""
        rows = range(first, last + 1)
        subjects = [self._model.subject(row) for row in rows if not self._model.is_refused(row)]
        self.pictures_wanted.emit(tuple(each for each in subjects if self.pictures.lacks(each)))

    def _take_rows(self) -> None:
        """Select again what was selected among new rows, which Qt does not, and count them."""
        self.filter_row.show_count(self._model.rowCount(), self._model.n_subjects)
        wanted, selection = set(self._session.selected), QItemSelection()
        rows = range(self._model.rowCount()) if wanted else ()
        last = self._model.columnCount() - 1
        chosen = [row for row in rows if self._model.subject(row).id in wanted]
        for row in chosen:
            selection.select(self._model.index(row, 0), self._model.index(row, last))
        if chosen:
            flags = QItemSelectionModel.SelectionFlag
            selection_of(self.table).setCurrentIndex(self._model.index(chosen[0], 0), flags.NoUpdate)
            selection_of(self.table).select(selection, flags.ClearAndSelect)
        self._update_selected()  # Qt emits no signal when new rows clear the selection

    def sorting_dialog(self, subject: Subject) -> SortingDialog:
        """Create the dialog for sorting an exam, without opening it."""
        dialog = SortingDialog(subject, self)
        dialog.finished.connect(dialog.deleteLater)
        return dialog

    def notify_layer_stored(self, layer: str) -> None:
        """Notify the user that an edited layer was removed with its exam."""
        from napari.utils.notifications import show_info

        show_info(f"'{layer}' was hidden with its exam; it returns when that exam is shown again.")

    def _update_selected(self) -> None:
        """Set the selected subjects of the session, without refused ones."""
        rows = [row.row() for row in selected_rows(self.table)]
        ids = (self._model.subject(row).id for row in rows if not self._model.is_refused(row))
        self._session.selected = tuple(ids)

    def _show_menu(self, where: QPoint) -> None:
        if not self._session.selected or not self._session.has_roles:
            return
        menu = QMenu(self)
        for role in Role:
            menu.addAction(
                f"Use for {role}", lambda role=role: self._session.set_role(self._session.selected, role)
            )
        viewport = self.table.viewport()
        assert viewport is not None
        menu.exec(viewport.mapToGlobal(where))


def _summary(cohort: Cohort) -> str:
    """Describe a cohort in one line of rich text."""
    n = len(cohort.subjects)
    n_labelled = sum(bool(subject.labels) for subject in cohort.subjects)
    if n == 1:
        size = f"1 exam, {'labelled' if n_labelled else 'not labelled'}"
    else:
        size = f"{n} subjects, {n_labelled} labelled"
    refused = f", {len(cohort.refused)} refused" if cohort.refused else ""
    return f"<b>{html.escape(cohort.root.name)}</b>: {size}{refused} ({cohort.layout})"


def _spin(low: int, high: int, value: int, tool_tip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setToolTip(tool_tip)
    box.setAccessibleName(tool_tip)
    box.setStyleSheet("QSpinBox { min-width: 60px; }")  # napari's 90 px would widen a small window
    return box


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    return row
