"""The job worker: every job ends in a reported state, in the GUI thread, and closing never hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.errors import ImageError
from cmr_ssp.events import Cancel, JobEnded, OnEvent, Outcome, Preparing

from napari_cmr_ssp.jobs.job import Job, JobResult
from napari_cmr_ssp.jobs.worker import JobWorker


@pytest.fixture
def worker(qtbot: Any) -> Iterator[JobWorker]:
    del qtbot
    worker = JobWorker("test")
    yield worker
    assert worker.close()


def result_of(worker: JobWorker, qtbot: Any, job: Job) -> JobResult:
    with qtbot.waitSignal(worker.ended, timeout=5000) as caught:
        worker.submit(job)
    assert caught.args[0] is job
    result: JobResult = caught.args[1]
    return result


def until_cancelled(on_event: OnEvent, cancel: Cancel) -> None:
    while not cancel.requested:
        time.sleep(0.001)
    on_event(JobEnded(Outcome.STOPPED))


def test_work_happens_elsewhere_and_is_told_of_here(worker: JobWorker, qtbot: Any) -> None:
    threads: list[int] = []
    told: list[object] = []

    def work(on_event: OnEvent, cancel: Cancel) -> str:
        del cancel
        threads.append(threading.get_ident())
        on_event(Preparing("things", 1, 2))
        return "done"

    worker.event_received.connect(lambda job, event: told.append((threading.get_ident(), event)))
    result = result_of(worker, qtbot, Job("a job", work))
    assert (result.outcome, result.value) == (Outcome.FINISHED, "done")
    assert threads != [threading.get_ident()]
    assert told == [(threading.get_ident(), Preparing("things", 1, 2))]
    assert not worker.is_busy


@pytest.mark.parametrize(
    "error", [ImageError.of("x.nii", "is broken", "Mend it."), MemoryError(), SystemExit(1)]
)
def test_whatever_is_raised_is_reported_and_the_next_job_runs(
    worker: JobWorker, qtbot: Any, error: BaseException
) -> None:
    def work(*_: object) -> None:
        raise error

    result = result_of(worker, qtbot, Job("fails", work))
    assert result.outcome is Outcome.FAILED
    assert result.problems[0].remedy
    assert result_of(worker, qtbot, Job("works", lambda *_: 3)).value == 3


def test_stopping_reaches_the_running_job_and_those_that_wait(worker: JobWorker, qtbot: Any) -> None:
    started: list[str] = []
    ended: list[Outcome] = []
    worker.started.connect(lambda job: started.append(job.title))
    worker.ended.connect(lambda job, result: ended.append(result.outcome))
    worker.submit(Job("one", until_cancelled))
    worker.submit(Job("two", lambda *_: started.append("worked")))
    qtbot.waitUntil(lambda: started == ["one"])
    assert [job.title for job in worker.waiting] == ["two"]
    worker.stop_all()
    qtbot.waitUntil(lambda: len(ended) == 2)
    assert ended == [Outcome.STOPPED, Outcome.STOPPED]
    assert "worked" not in started


def test_stopping_one_job_leaves_those_that_wait(worker: JobWorker, qtbot: Any) -> None:
    ended: list[tuple[str, Outcome]] = []
    worker.ended.connect(lambda job, result: ended.append((job.title, result.outcome)))
    first = worker.submit(Job("one", until_cancelled))
    worker.submit(Job("two", lambda *_: None))
    worker.stop(first)
    qtbot.waitUntil(lambda: len(ended) == 2)
    assert ended == [("one", Outcome.STOPPED), ("two", Outcome.FINISHED)]


@pytest.mark.parametrize("resumes", [False, True])
def test_discarding_removes_the_run_unless_it_was_there_before(
    worker: JobWorker, qtbot: Any, tmp_path: Path, resumes: bool
) -> None:
    run = tmp_path / "run"

    def work(on_event: OnEvent, cancel: Cancel) -> None:
        run.mkdir()
        (run / "last.safetensors").write_bytes(b"x")
        until_cancelled(on_event, cancel)

    job = Job("train", work, run, resumes=resumes)
    with qtbot.waitSignal(worker.ended, timeout=5000):
        worker.submit(job)
        qtbot.waitUntil(lambda: (run / "last.safetensors").exists())
        worker.stop(job, discard=True)
    assert run.exists() is resumes


def test_closing_does_not_wait_for_a_job_that_does_not_listen(qtbot: Any) -> None:
    release, begun = threading.Event(), threading.Event()
    worker = JobWorker("deaf")
    worker.submit(Job("deaf", lambda *_: begun.set() or release.wait(20)))
    qtbot.waitUntil(begun.is_set)
    began = time.perf_counter()
    assert not worker.close(0.2)
    assert time.perf_counter() - began < 2
    release.set()


def test_a_cancelled_job_never_starts_and_ends_at_once(worker: JobWorker, qtbot: Any) -> None:
    started: list[str] = []
    ended: list[tuple[str, Outcome, bool]] = []
    worker.started.connect(lambda job: started.append(job.title))
    worker.ended.connect(
        lambda job, result: ended.append((job.title, result.outcome, result.seconds is None))
    )
    first = worker.submit(Job("one", until_cancelled))
    qtbot.waitUntil(lambda: started == ["one"])
    second = worker.submit(Job("two", lambda *_: None))
    worker.submit(Job("three", lambda *_: None))
    worker.cancel(second)
    assert ended == [("two", Outcome.STOPPED, True)], "it ends before the running job"
    worker.cancel(second)  # pressed again
    worker.cancel(first)  # has started: it stops
    qtbot.waitUntil(lambda: len(ended) == 3)
    assert started == ["one", "three"]
    assert ended[1:] == [("one", Outcome.STOPPED, False), ("three", Outcome.FINISHED, False)]
