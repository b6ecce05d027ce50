"""The waiting jobs in the job bar, each with a button to cancel it."""

from __future__ import annotations

from collections.abc import Sequence

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.widgets.section import INDENT_PX, TITLE_LOOK, title_with_arrow
from napari_cmr_ssp.widgets.short_scroll import ShortScroll

_SHOWN_ROWS = 3
"""Rows that are visible without scrolling, if the window is large enough."""


class WaitingList(QWidget):
    """Collapsible list of the waiting jobs in their order; hidden if no job is waiting.

    The signal `cancel_requested` has the job.
    """

    cancel_requested = Signal(Job)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.toggle = QPushButton()
        self.toggle.setCheckable(True)
        self.toggle.setChecked(True)
        self.toggle.setStyleSheet(TITLE_LOOK)
        self.toggle.setToolTip("Show or hide the jobs that start after the running one")
        self.toggle.toggled.connect(lambda _: self._update())
        self.rows: dict[Job, _Row] = {}
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(INDENT_PX, 0, 0, 0)
        self._column.setSpacing(2)
        self._scroll = ShortScroll(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.toggle)
        layout.addWidget(self._scroll)
        self._update()

    def show_jobs(self, jobs: Sequence[Job]) -> None:
        """Show these jobs; the rows of those that still wait are kept, with the keyboard focus."""
        for job in [job for job in self.rows if job not in jobs]:
            row = self.rows.pop(job)
            row.hide()  # Qt moves the keyboard focus on
            self._column.removeWidget(row)
            row.deleteLater()
        for job in jobs:
            if job not in self.rows:
                self._add(job)
        self._update()

    def _add(self, job: Job) -> None:
        row = self.rows[job] = _Row(job.title)
        row.cancel.clicked.connect(lambda _=False: self.cancel_requested.emit(job))
        self._column.addWidget(row)

    def _update(self) -> None:
        n, is_open = len(self.rows), self.toggle.isChecked()
        self.toggle.setText(title_with_arrow(f"{n} waiting", is_open=is_open))
        self._scroll.setVisible(is_open)
        height = max(
            (row.sizeHint().height() + self._column.spacing() for row in self.rows.values()), default=0
        )
        self._scroll.limit(height, min(n, _SHOWN_ROWS) * height)
        self.setVisible(n > 0)


class _Row(QWidget):
    """Title of a job and the button to cancel it."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = QElidingLabel(title)
        self.title.setToolTip(title)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip(f"Remove '{title}' from the queue; it never starts")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title, stretch=1)
        layout.addWidget(self.cancel)
