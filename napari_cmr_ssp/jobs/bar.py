"""The job bar below the panels: the running job and the outcome of the last one."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from cmr_ssp.errors import Problem
from cmr_ssp.events import (
    Event,
    Noticed,
    Outcome,
    Preparing,
    RunStarted,
    UpdateFinished,
    WeightsTransferred,
)
from cmr_ssp.runs import Run
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_cmr_ssp.jobs.history import EndedJob
from napari_cmr_ssp.jobs.history_dialog import OUTCOMES, HistoryDialog
from napari_cmr_ssp.jobs.job import Job, JobResult
from napari_cmr_ssp.jobs.retry import RetryOffer, in_words_of_window
from napari_cmr_ssp.jobs.waiting import WaitingList
from napari_cmr_ssp.widgets.short_scroll import ShortScroll, wrap_within
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

_IDLE = "No job is running."
_PROBLEM_LINES = (3, 10)
"""Lines of the problems that are visible in a small and in a large window; the others scroll."""


class JobBar(QWidget):
    """Shows title, progress and remaining time of a job, and its outcome and problems after the end.

    The waiting jobs are listed below. The signal `stop_requested` has the job and whether to discard its run,
    `waiting.cancel_requested` a waiting job; `history_requested` asks for the ended jobs, for `show_history`.
    Problems have a separate line and remain until the user starts something else.
    """

    stop_requested = Signal(Job, bool)
    history_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel(_IDLE)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        wrap_within(self.title)
        self.note = QLabel()
        wrap_within(self.note)
        self.note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.weights = QLabel()
        wrap_within(self.weights)
        self.weights.hide()
        self.problems = ToneLabel()
        wrap_within(self.problems)
        self.problems.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._problem_area = ShortScroll(self.problems)
        self.problems.hide()  # after it has its place, where PySide6 shows it
        self._problem_area.hide()
        self.retry = RetryOffer()
        self.progress = QProgressBar()
        self.keep = QPushButton("Stop and keep")
        self.keep.setToolTip("Stop after the current step; the run is kept and can be resumed")
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Stop and delete this run")
        self.keep.clicked.connect(lambda: self._stop(discard=False))
        self.discard.clicked.connect(self._confirm_discard)
        self.waiting = WaitingList()
        self.history = QPushButton("History")
        self.history.setToolTip("The last jobs, with outcome, duration and folder")
        self.history.clicked.connect(lambda _: self.history_requested.emit())
        self.past = HistoryDialog(self)
        top = QHBoxLayout()
        top.addWidget(self.title, stretch=1)
        top.addWidget(self.history, alignment=Qt.AlignmentFlag.AlignTop)
        buttons = QHBoxLayout()
        buttons.addWidget(self.keep)
        buttons.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 6)
        layout.addLayout(top)
        layout.addWidget(self.progress)
        layout.addWidget(self.note)
        layout.addWidget(self.weights)
        layout.addLayout(buttons)
        layout.addWidget(self.waiting)
        layout.addWidget(self._problem_area)
        layout.addWidget(self.retry)
        self._job: Job | None = None
        self._notices: list[Problem] = []
        self._shows_notices = False
        self._show_running(False)

    def start(self, job: Job) -> None:
        """Show a job that has started."""
        self._job, self._notices, self._shows_notices = job, [], False
        self.title.setText(job.title)
        self.title.setToolTip(job.title)
        self.note.setText("Starting ...")
        self.note.setToolTip("")
        self.weights.hide()
        self.progress.setRange(0, 0)
        self._show_running(True)

    def show_event(self, event: Event) -> None:
        """Show an event of the job."""
        match event:
            case Preparing(what, done, total):
                self._advance(done, total, f"{done} of {total} {what}")
            case RunStarted():
                self._advance(0, event.updates, f"{event.samples} slices, {event.device}, {event.precision}")
            case UpdateFinished(update, updates, loss, seconds_left):
                left = "" if seconds_left is None else f", {timedelta(seconds=round(seconds_left))} left"
                self._advance(update, updates, f"Update {update} of {updates}, loss {loss:.3f}{left}")
            case WeightsTransferred():
                self._show_weights(event)
            case Noticed(problem):
                self._notices += in_words_of_window([problem], self._job)
                # keep the problems of an earlier job
                if self._shows_notices or self.problems.isHidden():
                    self._shows_notices = True
                    self.show_problems(self._notices)

    def end(self, job: Job, result: JobResult) -> None:
        """Show the outcome of a job, with its problems."""
        self._job = None
        self._show_running(False)
        kept = ""
        if result.outcome is Outcome.STOPPED and job.run_folder is not None:
            has_network = Run(job.run_folder).last.exists()
            kept = ", kept: resume it under Runs" if has_network else ", discarded" * job.discarded
        where = f" ({job.result})" if job.result and result.outcome is Outcome.FINISHED else ""
        self.title.setText(f"{OUTCOMES[result.outcome]}: {job.title}{where}{kept}")
        self.title.setToolTip("\n".join(filter(None, (self.title.text(), str(job.result_folder or "")))))
        if result.problems or self._notices:
            self.show_problems([*in_words_of_window(result.problems, job), *self._notices])
        self.retry.offer(job, result)

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Show problems with cause and remedy."""
        text = problem_html(problems)
        self.problems.setText(text)
        is_cut = self.problems.minimumSizeHint().width() > self.width()
        self.problems.setToolTip(text if is_cut else "")
        self.problems.setVisible(bool(text))
        self._problem_area.setVisible(bool(text))
        self._problem_area.limit_lines(*_PROBLEM_LINES)

    def show_saved(self, files: Sequence[Path], *, n_unseen: int) -> None:
        """Show where segmentations were saved, and whether some are not displayed yet."""
        if not files or self._job is not None:
            return
        folder = files[0].parent
        what = files[0].name if len(files) == 1 else f"{len(files)} files"
        where = html.escape(f"{folder.parent.name}/{folder.name}")
        later = " It is shown when its exam is opened." if n_unseen else ""
        later = " They are shown when their exams are opened." if n_unseen > 1 else later
        self.note.setText(f"Saved {html.escape(what)} in <b>{where}</b>.{later}")
        self.note.setToolTip(str(folder))
        self.note.show()

    def clear(self) -> None:
        """Clear the problems and, if no job is running, the outcome of the last job."""
        self.show_problems(())
        self.retry.hide()
        if self._job is None:
            self.title.setText(_IDLE)
            self.weights.hide()
            self.note.hide()

    def show_cancelled(self, job: Job) -> None:
        """Show that a waiting job was cancelled, unless another job is shown."""
        if self._job is None:
            self.title.setText(f"Cancelled: {job.title}")

    def show_history(self, jobs: tuple[EndedJob, ...], problems: Iterable[Problem]) -> None:
        """Show the ended jobs in a dialog."""
        self.past.show_jobs(jobs, problems)
        self.past.show()
        self.past.raise_()

    def _advance(self, done: int, total: int, note: str) -> None:
        if self._job is not None and self._job.cancel.requested:
            return
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.note.setText(html.escape(note))

    def _show_weights(self, event: WeightsTransferred) -> None:
        self.weights.setText(f"Pretrained weights: {event}.")
        names = [
            f"<p>{title}: {html.escape(', '.join(tensors))}</p>"
            for title, tensors in (("Left out", event.left_out), ("Missing", event.missing))
            if tensors
        ]
        self.weights.setToolTip("".join(names))
        self.weights.show()

    def _show_running(self, running: bool) -> None:
        self.progress.setVisible(running)
        self.note.setVisible(running)
        self.keep.setVisible(running)
        self.discard.setVisible(running and self._job is not None and self._job.can_be_discarded)
        self.keep.setText("Stop and keep" if self._job is not None and self._job.can_be_kept else "Stop")
        self.keep.setEnabled(True)
        self.discard.setEnabled(True)

    def _stop(self, *, discard: bool) -> None:
        self.keep.setEnabled(False)
        self.discard.setEnabled(False)
        self.note.setText("Stopping after the current step ...")
        if self._job is not None:
            self.stop_requested.emit(self._job, discard)

    def _confirm_discard(self) -> None:
        job = self._job
        if job is None or job.run_folder is None:
            return
        question = f"Stop and delete the run {job.run_folder.name}? This cannot be undone."
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        answer = QMessageBox.question(self, "Discard this run", question, yes | no, no)
        if answer == yes and job is self._job:  # another job may be running now
            self._stop(discard=True)
