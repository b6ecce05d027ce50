"""Runs jobs for the panels in two workers, and shows them in the job bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from cmr_ssp.errors import Problem
from cmr_ssp.events import Event, Outcome, Preparing, ignore_events
from psygnal import Signal
from qtpy.QtCore import QObject

from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.history import JobHistory
from napari_cmr_ssp.jobs.job import Job, JobResult
from napari_cmr_ssp.jobs.late_writer import LateWriter
from napari_cmr_ssp.jobs.worker import SECONDS_TO_STOP, JobWorker

Then = Callable[[Any], None]
"""Called in the GUI thread with the result of a job, unless the job failed."""

LONG_S = 60.0
"""Duration in seconds from which a training is announced if the window is not active."""


class JobDesk(QObject):
    """Runs jobs in the background and shows their progress in the job bar.

    Jobs that read files have a separate thread, so that they do not wait for training.

    Parameters
    ----------
    bar : JobBar
        Job bar; shows computing jobs and problems, and has buttons to stop the job.
    history_file : callable
        Returns the file with the last jobs of the current workspace.
    parent : QObject, optional
        Parent object.

    Attributes
    ----------
    run_event : Signal
        Event of a job that writes a run.
    run_queued : Signal
        Folder of a run whose job was added to the queue.
    run_ended : Signal
        Folder of a run whose job has ended.
    run_moved : Signal
        Folder of a run before and after it was renamed.
    reading_changed : Signal
        Text about the files being read; empty after reading.
    closing : Signal
        The window closes: what is not written yet is written by the receivers themselves.
    """

    run_event = Signal(signature(ignore_events))  # any `Event`
    run_queued = Signal(Path)
    run_ended = Signal(Path)
    run_moved = Signal(Path, Path)
    reading_changed = Signal(str)
    closing = Signal()

    def __init__(self, bar: JobBar, history_file: Callable[[], Path], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bar = bar
        self._history = JobHistory(history_file)
        self.trainer = JobWorker("jobs", on_done=self._history.add)
        self.reader = JobWorker("reading")
        self._late = LateWriter()
        self._then: dict[Job, Then] = {}
        self._then_anyway: set[Job] = set()
        self._unfinished: set[Job] = set()
        bar.stop_requested.connect(lambda job, discard: self.trainer.stop(job, discard=discard))
        bar.waiting.cancel_requested.connect(self.trainer.cancel)
        bar.retry.accepted.connect(self._start_smaller)
        bar.history_requested.connect(lambda: self._read_history(bar.show_history))
        self.trainer.started.connect(self._on_started)
        self.trainer.event_received.connect(self._on_event)
        self.trainer.ended.connect(self._on_ended)
        self.reader.started.connect(self._on_reading_started)
        self.reader.event_received.connect(self._on_reading_event)
        self.reader.ended.connect(self._on_reading_ended)

    @property
    def is_idle(self) -> bool:
        """Whether no job is running or waiting, the window shows how all ended, and called back."""
        return not self._unfinished

    @property
    def titles(self) -> list[str]:
        """Titles of running and waiting jobs, without those that read: stopping them loses nothing."""
        return [job.title for job in self.trainer.unfinished if not job.is_silent]

    @property
    def reserved(self) -> set[Path]:
        """Folders of the runs that running and waiting jobs write."""
        return {job.run_folder for job in self.trainer.unfinished if job.run_folder is not None}

    def uses(self, run: Path) -> bool:
        """Return whether a running or waiting job writes or reads a run."""
        return any(run in (job.run_folder, job.reads) for job in self.trainer.unfinished)

    def compute(self, job: Job, then: Then | None = None, *, even_if_failed: bool = False) -> None:
        """Queue a job that computes; with `even_if_failed`, call `then` after a failure, too."""
        if even_if_failed:
            self._then_anyway.add(job)
        if not job.is_silent:
            self._history.expect(job)
        self._submit(self.trainer, job, then)
        if job.run_folder is not None:
            self._bar.retry.hide()  # the user has found another way
            self.run_queued.emit(job.run_folder)

    def read(self, job: Job, then: Then | None = None) -> None:
        """Queue a job that lists or reads files."""
        self._submit(self.reader, job, then)

    def write_soon(self, write: Callable[[], object]) -> None:
        """Write a small file in another thread, once no newer state of it comes."""
        self._late.put(write)

    def clear(self) -> None:
        """Clear the problems of earlier jobs."""
        self._bar.clear()

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Show problems in the job bar."""
        self._bar.show_problems(problems)

    def show_saved(self, files: Sequence[Path], *, n_unseen: int) -> None:
        """Show where segmentations were saved; `n_unseen` of them are not displayed."""
        self._bar.show_saved(files, n_unseen=n_unseen)

    def close(self) -> None:
        """Stop jobs and wait briefly; their progress is saved."""
        self.closing.emit()
        self._late.close(SECONDS_TO_STOP)
        workers = (self.reader, self.trainer)
        for worker in workers:  # request all stops before waiting
            worker.stop_all()
        for worker in workers:
            worker.close()

    def _submit(self, worker: JobWorker, job: Job, then: Then | None) -> None:
        if then is not None:
            self._then[job] = then
        self._unfinished.add(job)
        worker.submit(job)
        self._show_waiting()

    def _show_waiting(self) -> None:
        self._bar.waiting.show_jobs([job for job in self.trainer.waiting if not job.is_silent])

    def _start_smaller(self, job: Job, settings: Mapping[str, int]) -> None:
        """Queue a training again that ran out of memory, with settings that should fit."""
        if job.smaller is not None:
            self.compute(job.smaller(settings, self.reserved))

    def _on_started(self, job: Job) -> None:
        self._show_waiting()
        if not job.is_silent:
            self._bar.start(job)

    def _on_event(self, job: Job, event: Event) -> None:
        if not job.is_silent:
            self._bar.show_event(event)
        job.follow(event)
        if job.run_folder is not None:
            self.run_event.emit(event)

    def _on_ended(self, job: Job, result: JobResult) -> None:
        self._show_waiting()
        if result.seconds is None:
            self._bar.show_cancelled(job)
            self._add_cancelled(job, result)
        elif not job.is_silent:
            self._bar.end(job, result)
            self._notify(job, result.seconds)
        if job.run_folder is not None:
            self.run_ended.emit(job.run_folder)
        self._finish(job, result)
        if self._bar.past.isVisible():
            self._read_history(self._bar.past.show_jobs)

    def _add_cancelled(self, job: Job, result: JobResult) -> None:
        """Add a job that never started to the history; the worker adds those that ran."""
        adding = Job("Add to the history", lambda *_: self._history.add(job, result), is_silent=True)
        self.read(adding, self._show_new_problems)

    def _show_new_problems(self, problems: tuple[Problem, ...]) -> None:
        if problems:
            self.show_problems(problems)

    def _read_history(self, then: Callable[..., None]) -> None:
        file = self._history.file
        reading = Job("Read the history", lambda *_: self._history.read(file), is_silent=True)
        self.read(reading, lambda found: then(*found))

    def _notify(self, job: Job, seconds: float) -> None:
        """Show the outcome as a notification if the job bar is hidden or, for long trainings, not watched.

        napari keeps the notification until the window is active.
        """
        is_long = job.run_folder is not None and seconds > LONG_S
        window = self._bar.window()
        is_active = window is not None and window.isActiveWindow()
        if not self._bar.isVisible() or (is_long and not is_active):
            from napari.utils.notifications import show_info

            show_info(self._bar.title.text())

    def _on_reading_started(self, job: Job) -> None:
        if not job.is_silent:
            self.reading_changed.emit(f"{job.title} ...")

    def _on_reading_event(self, job: Job, event: Event) -> None:
        if isinstance(event, Preparing):
            self.reading_changed.emit(f"{job.title}: {event.done} of {event.total} {event.what}")

    def _on_reading_ended(self, job: Job, result: JobResult) -> None:
        if not job.is_silent:
            self.reading_changed.emit("")
        if result.outcome is Outcome.FAILED:
            self._bar.show_problems(result.problems)
        self._finish(job, result)

    def _finish(self, job: Job, result: JobResult) -> None:
        then = self._then.pop(job, None)
        try:
            if then is not None and (result.outcome is not Outcome.FAILED or job in self._then_anyway):
                then(result.value)
        finally:
            self._then_anyway.discard(job)
            self._unfinished.discard(job)
