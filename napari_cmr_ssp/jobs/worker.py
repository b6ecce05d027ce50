"""Run jobs one at a time in a background thread, with signals that arrive in the GUI thread.

napari's thread workers are not used: after running out of memory they appear busy forever, and napari waits
for them without limit when it quits.
"""

from __future__ import annotations

import atexit
import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from weakref import WeakSet

from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.events import Event, JobEnded, Outcome
from qtpy.QtCore import QObject, Signal

from napari_cmr_ssp.jobs.job import Job, JobResult

_LOG = logging.getLogger(__name__)

SECONDS_TO_STOP = 2.0
"""Time that closing a window waits for a job to stop; afterwards the job continues to stop by itself."""

SECONDS_AT_EXIT = 60.0
"""Time that exiting the program waits for a job to stop; its last checkpoint is kept."""

_WORKERS: WeakSet[JobWorker] = WeakSet()


class JobWorker(QObject):
    """Runs jobs one after the other in a daemon thread.

    Signals arrive in the thread of this object: `started` (job), `event_received` (job, event) and `ended`
    (job, result). `ended` is emitted for every job.

    Parameters
    ----------
    name : str
        Name of the thread.
    parent : QObject, optional
        Parent object.
    on_done : callable, optional
        Called in the thread with each job that ran and its result; returns further problems.
    """

    started = Signal(Job)
    event_received = Signal(Job, object)  # an `Event`; Qt has no unions
    ended = Signal(Job, JobResult)

    def __init__(
        self,
        name: str,
        parent: QObject | None = None,
        on_done: Callable[[Job, JobResult], tuple[Problem, ...]] = lambda *_: (),
    ) -> None:
        super().__init__(parent)
        self._on_done = on_done
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._unfinished: list[Job] = []
        self._running: Job | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=f"cmr-ssp {name}", daemon=True)
        self._thread.start()
        _WORKERS.add(self)

    @property
    def is_busy(self) -> bool:
        """Whether a job is running or waiting."""
        with self._lock:
            return bool(self._unfinished)

    def submit(self, job: Job) -> Job:
        """Add a job to the queue."""
        with self._lock:
            self._unfinished.append(job)
        self._waiting.put(job)
        return job

    def stop(self, job: Job, *, discard: bool = False) -> None:
        """Ask a job to stop; with `discard`, delete the run that it wrote."""
        with self._lock:
            if job in self._unfinished:
                job.discarded = discard and job.can_be_discarded
                job.cancel.request()

    def cancel(self, job: Job) -> None:
        """Remove a waiting job from the queue, so that it never starts; it ends as stopped at once.

        A job that has just started stops instead, and a run that it created is deleted.
        """
        with self._lock:
            waits = job in self._unfinished and job is not self._running
            if waits:
                self._unfinished.remove(job)
                job.cancel.request()
        if waits:
            self._emit("ended", job, JobResult(Outcome.STOPPED))
        else:
            self.stop(job, discard=True)

    def stop_all(self) -> None:
        """Ask the running job and all waiting jobs to stop."""
        with self._lock:
            for job in self._unfinished:
                job.cancel.request()

    @property
    def unfinished(self) -> tuple[Job, ...]:
        """The running job and all waiting jobs."""
        with self._lock:
            return tuple(self._unfinished)

    @property
    def waiting(self) -> tuple[Job, ...]:
        """The jobs that wait for another one, in the order in which they will run."""
        return self.unfinished[1:]

    def close(self, seconds: float = SECONDS_TO_STOP) -> bool:
        """Stop all jobs and emit no more signals; return whether the thread ended in time."""
        self._closed = True
        self.stop_all()
        self._waiting.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while (job := self._waiting.get()) is not None:
            if not self._take(job):
                continue
            self._emit("started", job)
            began = time.monotonic()
            result = replace(self._do(job), seconds=time.monotonic() - began)
            result = replace(result, problems=(*result.problems, *self._on_done(job, result)))
            with self._lock:
                self._running = None
                self._unfinished.remove(job)
            self._emit("ended", job, result)
            del job, result  # may hold a cine; free it before waiting for the next job

    def _take(self, job: Job) -> bool:
        """Mark a job as running; return False if it was cancelled while it waited."""
        with self._lock:
            self._running = job if job in self._unfinished else None
            return self._running is not None

    def _do(self, job: Job) -> JobResult:
        reported: list[JobEnded] = []
        existed = job.run_folder is not None and job.run_folder.exists()

        def on_event(event: Event) -> None:
            if isinstance(event, JobEnded):
                reported.append(event)
            self._emit("event_received", job, event)

        try:
            if job.cancel.requested:
                return JobResult(Outcome.STOPPED)
            value = job.work(on_event, job.cancel)
            outcome = reported[-1].outcome if reported else Outcome.FINISHED
            result = JobResult(outcome, value=value)
        except BaseException as error:
            if not isinstance(error, CmrSspError) and not self._closed:
                _LOG.exception("%s failed", job.title)
            result = JobResult(Outcome.FAILED, _problems(error, reported))
        if job.discarded and not existed and result.outcome is not Outcome.FINISHED:
            result = replace(result, problems=(*result.problems, *_remove(job.run_folder)))
        return result

    def _emit(self, signal: str, *arguments: object) -> None:
        if not self._closed:
            with suppress(RuntimeError):  # the window was deleted
                getattr(self, signal).emit(*arguments)


@atexit.register
def _stop_workers() -> None:
    """Stop all jobs before the interpreter exits, which aborts if a thread is still computing."""
    workers, deadline = list(_WORKERS), time.monotonic() + SECONDS_AT_EXIT
    for worker in workers:
        worker.close(0)
    for worker in workers:
        if not worker.close(max(0.0, deadline - time.monotonic())):
            _LOG.warning("a job did not stop in %g seconds", SECONDS_AT_EXIT)


def _remove(folder: Path | None) -> tuple[Problem, ...]:
    """Delete a run; return a problem if a part of it remains."""
    if folder is None:
        return ()
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return ()
    return (Problem(str(folder), "it could not be removed completely", "Delete it manually."),)


def _problems(error: BaseException, reported: list[JobEnded]) -> tuple[Problem, ...]:
    if isinstance(error, CmrSspError):
        return error.problems
    if reported and reported[-1].problems:
        return reported[-1].problems
    remedy = "Please report this; it is a bug in this software or a problem of the machine."
    return (Problem("job", f"{type(error).__name__}: {error}", remedy),)


def preload(*_: object) -> None:
    """Import the training modules, so that the first job starts without delay."""
    time.sleep(1.0)  # the window first: parts of the import block the interpreter
    import cmr_ssp.jobs  # noqa: F401
