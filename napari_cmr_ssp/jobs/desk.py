"""Between the panels, the two workers and the job bar: who asked for a job gets what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from cmr_ssp.errors import Problem
from cmr_ssp.events import Event, Outcome, Preparing, ignore_events
from psygnal import Signal
from qtpy.QtCore import QObject

from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.job import Job, JobResult
from napari_cmr_ssp.jobs.worker import JobWorker

Then = Callable[[Any], None]
"""Takes what a job's work returned, in the GUI thread; only called where it did not fail, or in part."""


class JobDesk(QObject):
    """Takes jobs, and shows on the bar how they are doing.

    Reading must not wait for a training, so it has a thread of its own.

    Parameters
    ----------
    bar : JobBar
        Shows what trains or computes, and what went wrong; its buttons stop it.
    parent : QObject, optional
        Of the desk.

    Attributes
    ----------
    run_told : Signal
        An event of a job that makes a run.
    run_ended : Signal
        The folder of a run, after its job.
    reading : Signal
        What is being read, in words; nothing once it is read.
    """

    run_told = Signal(signature(ignore_events))  # which takes any `Event`
    run_ended = Signal(Path)
    reading = Signal(str)

    def __init__(self, bar: JobBar, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bar = bar
        self.trainer, self.reader = JobWorker("jobs"), JobWorker("reading")
        self._then: dict[Job, Then] = {}
        self._then_anyway: set[Job] = set()
        bar.stop_asked.connect(lambda job, discard: self.trainer.stop(job, discard=discard))
        self.trainer.started.connect(self._started)
        self.trainer.told.connect(self._told)
        self.trainer.ended.connect(self._ended)
        self.reader.started.connect(self._reading)
        self.reader.told.connect(self._read_so_far)
        self.reader.ended.connect(self._read)

    @property
    def is_idle(self) -> bool:
        """Whether no job runs or waits, and whatever was to follow has followed."""
        return not self.trainer.is_busy and not self.reader.is_busy and not self._then

    @property
    def titles(self) -> list[str]:
        """What was asked for and runs or waits, in words; reading stops without loss."""
        return [job.title for job in self.trainer.unfinished if not job.is_silent]

    def compute(self, job: Job, then: Then | None = None, *, even_if_failed: bool = False) -> None:
        """Train, segment, score or rebuild, after those that wait; `even_if_failed` goes on in any case."""
        if even_if_failed:
            self._then_anyway.add(job)
        self._submit(self.trainer, job, then)

    def read(self, job: Job, then: Then | None = None) -> None:
        """List or read something."""
        self._submit(self.reader, job, then)

    def clear(self) -> None:
        """Forget what went wrong before: the user asks for something else."""
        self._bar.clear()

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Say why something cannot be done, and what to do."""
        self._bar.show_problems(problems)

    def tell_saved(self, files: Sequence[Path], *, n_unseen: int) -> None:
        """Say where segmentations were written, and how many of them are not on screen."""
        self._bar.tell_saved(files, n_unseen=n_unseen)

    def close(self) -> None:
        """Stop jobs and wait a little; what they did so far is on disk."""
        workers = (self.reader, self.trainer)
        for worker in workers:  # all are asked before one is waited for
            worker.stop_all()
        for worker in workers:
            worker.close()

    def _submit(self, worker: JobWorker, job: Job, then: Then | None) -> None:
        if then is not None:
            self._then[job] = then
        worker.submit(job)
        self._bar.show_waiting(self.trainer.n_waiting)

    def _started(self, job: Job) -> None:
        if not job.is_silent:
            self._bar.start(job)
            self._bar.show_waiting(self.trainer.n_waiting)

    def _told(self, job: Job, event: Event) -> None:
        if not job.is_silent:
            self._bar.take(event)
        if job.run_folder is not None:
            self.run_told.emit(event)

    def _ended(self, job: Job, result: JobResult) -> None:
        if not job.is_silent:
            self._bar.end(job, result)
            self._tell_if_unseen()
        if job.run_folder is not None:
            self.run_ended.emit(job.run_folder)
        self._finish(job, result)

    def _tell_if_unseen(self) -> None:
        """Tell how a job ended where the dock of the job bar was closed."""
        if not self._bar.isVisible():
            from napari.utils.notifications import show_info

            show_info(self._bar.title.text())

    def _reading(self, job: Job) -> None:
        if not job.is_silent:
            self.reading.emit(f"{job.title} ...")

    def _read_so_far(self, job: Job, event: Event) -> None:
        if isinstance(event, Preparing):
            self.reading.emit(f"{job.title}: {event.done} of {event.total} {event.what}")

    def _read(self, job: Job, result: JobResult) -> None:
        if not job.is_silent:
            self.reading.emit("")
        if result.outcome is Outcome.FAILED:
            self._bar.show_problems(result.problems)
        self._finish(job, result)

    def _finish(self, job: Job, result: JobResult) -> None:
        then = self._then.pop(job, None)
        if then is not None and (result.outcome is not Outcome.FAILED or job in self._then_anyway):
            then(result.value)
        self._then_anyway.discard(job)
