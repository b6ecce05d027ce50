"""The file of the last jobs: kept, bounded, shared by windows, and started afresh if it is damaged."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from cmr_ssp.errors import Problem
from cmr_ssp.events import Outcome

from napari_cmr_ssp.jobs.history import N_KEPT, JobHistory
from napari_cmr_ssp.jobs.job import Job, JobResult


def history_of(file: Path) -> JobHistory:
    return JobHistory(lambda: file)


def add(history: JobHistory, job: Job, result: JobResult) -> tuple[Problem, ...]:
    history.expect(job)
    return history.add(job, result)


def job(title: str, folder: Path | None = None) -> Job:
    return Job(title, lambda *_: None, run_folder=folder)


DONE = JobResult(Outcome.FINISHED, seconds=1.5)


def test_an_ended_job_is_read_back_by_another_window(tmp_path: Path) -> None:
    file, run = tmp_path / "runs" / "jobs.json", tmp_path / "runs" / "mim-1"
    run.mkdir(parents=True)
    problems = (Problem("memory", "is short", "Use less."), Problem("x", "is bad", "Mend it."))
    assert (
        add(history_of(file), job("Pretrain mim-1", run), JobResult(Outcome.FAILED, problems, None, 61)) == ()
    )
    add(history_of(file), job("Pretrain mim-2", run.with_name("mim-2")), JobResult(Outcome.STOPPED))
    (cancelled, failed), found = history_of(file).read(file)
    assert found == ()
    assert (failed.title, failed.outcome, failed.seconds) == ("Pretrain mim-1", Outcome.FAILED, 61)
    assert (failed.folder, failed.problem) == (run, "memory: is short. Use less.")
    assert (cancelled.seconds, cancelled.folder) == (None, None), "it never started and left nothing"
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    (_, failed), _ = history_of(file).read(moved / "runs" / "jobs.json")
    assert failed.folder == moved / "runs" / "mim-1"


def test_the_last_jobs_stay(tmp_path: Path) -> None:
    file = tmp_path / "jobs.json"
    history = history_of(file)
    for number in range(N_KEPT + 2):
        add(history, job(f"job {number}"), DONE)
    jobs, _ = history.read(file)
    assert [each.title for each in jobs] == [f"job {n}" for n in range(N_KEPT + 1, 1, -1)]
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.json"], "temporary files or locks remain"


def test_two_windows_lose_no_job(tmp_path: Path) -> None:
    file = tmp_path / "jobs.json"

    def window(name: str) -> None:
        history = history_of(file)
        for number in range(10):
            add(history, job(f"{name} {number}"), DONE)

    threads = [threading.Thread(target=window, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(history_of(file).read(file)[0]) == 20


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"jobs": 3}',
        '{"jobs": [{"title": "x"}]}',
        '{"jobs": [{"outcome": "eaten"}]}',
        "[" * 9999,
    ],
)
def test_a_damaged_file_is_reported_once_and_kept_beside(tmp_path: Path, content: str) -> None:
    file = tmp_path / "jobs.json"
    file.write_text(content)
    history = history_of(file)
    (problem,) = add(history, job("one"), DONE)
    assert "damaged" in problem.what and "jobs.json.bak" in problem.remedy
    assert file.with_name("jobs.json.bak").read_text() == content
    assert add(history, job("two"), DONE) == ()
    assert [each.title for each in history.read(file)[0]] == ["two", "one"]
    assert len(json.loads(file.read_text())["jobs"]) == 2


def test_a_workspace_that_cannot_be_written_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    history = history_of(tmp_path / "runs" / "jobs.json")
    assert len(add(history, job("one"), DONE)) == 1
    assert add(history, job("two"), DONE) == ()
