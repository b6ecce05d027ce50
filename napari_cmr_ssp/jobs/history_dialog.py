"""Dialog with the last ended jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from cmr_ssp.errors import Problem
from cmr_ssp.events import Outcome
from qtpy.QtCore import QModelIndex, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.jobs.history import N_KEPT, EndedJob
from napari_cmr_ssp.widgets.folders import open_folder
from napari_cmr_ssp.widgets.tables import selected_rows, selection_of, table_of
from napari_cmr_ssp.widgets.text_table import TONE_ROLE, TextTable, Tone
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

OUTCOMES = {Outcome.FINISHED: "Finished", Outcome.STOPPED: "Stopped", Outcome.FAILED: "Failed"}
"""Outcomes of jobs as texts."""

_COLUMNS = ("Job", "Outcome", "Ended", "Took", "Folder", "Problem")
_OUTCOME, _PROBLEM = _COLUMNS.index("Outcome"), _COLUMNS.index("Problem")
_SIZE_PX = (860, 360)


class HistoryTable(TextTable):
    """Shows ended jobs, newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(_COLUMNS, parent)
        self.jobs: tuple[EndedJob, ...] = ()

    def show(self, jobs: tuple[EndedJob, ...]) -> None:
        """Replace all rows."""
        self.jobs = jobs
        self.replace(tuple(_facts(job) for job in jobs))

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, tool tip or tone of a cell."""
        job = self.jobs[index.row()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(filter(None, (job.title, str(job.folder or ""), job.problem)))
        if role == TONE_ROLE and index.column() == _OUTCOME and job.outcome is Outcome.FAILED:
            return Tone.ERROR
        return super().data(index, role)


class HistoryDialog(QDialog):
    """The last jobs with outcome, time, duration and folder; Enter or a double click opens the folder."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"The last {N_KEPT} jobs")
        self.resize(*_SIZE_PX)
        self.jobs = HistoryTable(self)
        self.table = table_of(self.jobs)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.table.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(_PROBLEM, QHeaderView.ResizeMode.Stretch)
        self.about = ToneLabel()
        self.opener = QPushButton("Open folder")
        self.opener.setToolTip("Open the run of the selected job, or the folder of its result")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        for button in buttons.buttons():
            button.setToolTip("Close the history")
        buttons.addButton(self.opener, QDialogButtonBox.ButtonRole.ActionRole)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table)
        layout.addWidget(self.about)
        layout.addWidget(buttons)
        buttons.rejected.connect(self.close)
        self.opener.clicked.connect(lambda _: self._open())
        self.table.row_opened.connect(lambda _: self._open())
        self.table.doubleClicked.connect(lambda _: self._open())
        selection_of(self.table).selectionChanged.connect(lambda *_: self._on_selected())

    def show_jobs(self, jobs: tuple[EndedJob, ...], problems: Iterable[Problem]) -> None:
        """Show ended jobs and the problems of their file."""
        self.jobs.show(jobs)
        none = "" if jobs else "No job has ended in this workspace yet."
        self.about.setText(problem_html(problems) or none)
        self._update()

    @property
    def _selected(self) -> EndedJob | None:
        rows = selected_rows(self.table)
        return self.jobs.jobs[rows[0].row()] if rows else None

    def _on_selected(self) -> None:
        self.about.setText("")
        self._update()

    def _update(self) -> None:
        self.about.setVisible(bool(self.about.text()))
        self.opener.setEnabled(self._selected is not None and self._selected.folder is not None)

    def _open(self) -> None:
        job = self._selected
        if job is not None and job.folder is not None and not open_folder(job.folder):
            problem = Problem.warning(job.folder, "the folder cannot be opened", "It may have been moved.")
            self.about.setText(problem_html([problem]))
            self.about.show()


def _facts(job: EndedJob) -> tuple[str, ...]:
    outcome = "Cancelled" if job.seconds is None else OUTCOMES[job.outcome]
    took = "" if job.seconds is None else str(timedelta(seconds=round(job.seconds)))
    folder = "/".join(job.folder.parts[-2:]) if job.folder is not None else ""
    return job.title, outcome, f"{job.ended.astimezone():%Y-%m-%d %H:%M}", took, folder, job.problem
