"""One job at a time in a run; refused jobs change nothing, and runs of killed jobs can be resumed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp import jobs
from cmr_ssp.errors import CmrSspError, OutputError, RunError
from cmr_ssp.events import Event, Outcome, UpdateFinished
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run, claimed, is_claimed, list_runs
from cmr_ssp.subjects import Cohort, Role, Split
from cohort_helpers import Listener, mim, segmentation, write_beating_cohort
from files_helpers import fingerprint

SPLIT = Split({"a": Role.TRAIN, "b": Role.TRAIN, "c": Role.TEST})
CPU = jobs.JobSettings("cpu")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abc"))


def state_of(run: Run) -> str:
    (found,) = (one for one in list_runs(run.folder.parent) if one.folder == run.folder)
    return str(found.state)


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_job_is_refused_and_changes_nothing(cohort: Cohort, tmp_path: Path, resume: bool) -> None:
    run, second, states = Run(tmp_path / "run"), Listener(), list[str]()

    def intrude() -> None:
        before = fingerprint(run.folder)
        with pytest.raises(RunError, match="another job is working in it"):
            jobs.pretrain(cohort, mim(), run, split=SPLIT, settings=CPU, resume=resume, on_event=second)
        assert fingerprint(run.folder) == before

    def listen(event: Event) -> None:
        if isinstance(event, UpdateFinished) and event.update == 1:
            states.append(state_of(run))  # on the job's own thread
            for other in (threading.Thread(target=lambda: states.append(state_of(run))), failing(intrude)):
                other.start()
                other.join()

    assert jobs.pretrain(cohort, mim(), run, split=SPLIT, settings=CPU, on_event=listen) is Outcome.FINISHED
    assert second.end.outcome is Outcome.FAILED
    assert "another job" in second.end.problems[0].what
    assert states == ["running", "running"]
    assert state_of(run) == "finished"
    assert not (run.folder / ".lock").exists()


def failing(work: Any) -> threading.Thread:
    """Return a thread whose assertions fail the test."""

    class Strict(threading.Thread):
        def run(self) -> None:
            try:
                work()
            except BaseException as error:
                self.error: BaseException | None = error
            else:
                self.error = None

        def join(self, timeout: float | None = None) -> None:
            super().join(timeout)
            if self.error is not None:
                raise self.error

    return Strict()


HOLD = """
import sys
from pathlib import Path
from cmr_ssp.runs import Run, claimed
with claimed(Run(Path(sys.argv[1])), resume=False):
    print("here", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_kept_out_until_it_is_killed(cohort: Cohort, tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "run")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.folder)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "here\n"
    assert is_claimed(run)
    assert state_of(run) == "running"
    with pytest.raises(RunError, match="another job"), claimed(run, resume=False):
        pass
    holder.kill()
    holder.communicate()
    assert (run.folder / ".lock").exists()
    assert state_of(run) == "stopped"
    assert jobs.pretrain(cohort, mim(), run, split=SPLIT, settings=CPU) is Outcome.FINISHED
    assert state_of(run) == "finished"


def test_a_finished_run_stays_finished(cohort: Cohort, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    jobs.finetune(cohort, segmentation(method="scratch"), run, split=SPLIT, settings=CPU)
    before = fingerprint(run.folder)
    others = open_cohort(write_beating_cohort(tmp_path / "others", "abc", seed=9))
    attempts: list[Any] = [
        lambda: jobs.pretrain(cohort, None, run, settings=CPU, resume=True),
        lambda: jobs.finetune(cohort, segmentation(seed=3), run, settings=CPU, resume=True),
        lambda: jobs.finetune(others, None, run, settings=CPU, resume=True),
        lambda: jobs.finetune(cohort, segmentation(method="scratch"), run, split=SPLIT, settings=CPU),
    ]
    for attempt in attempts:
        with pytest.raises(CmrSspError):
            attempt()
        assert fingerprint(run.folder) == before
    assert jobs.finetune(cohort, None, run, settings=CPU, resume=True) is Outcome.FINISHED
    assert run.read_state() == (Outcome.FINISHED, ())


def test_what_was_made_while_somebody_waited_is_seen(tmp_path: Path) -> None:
    """The lock is released just before the second job gives up; by then there is a run."""
    run, held, free = Run(tmp_path / "run"), threading.Event(), threading.Event()

    def hold() -> None:
        with claimed(run, resume=False):
            held.set()
            free.wait(10)
            run.last.write_bytes(b"a checkpoint")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.2, free.set).start()
    with pytest.raises(RunError, match="already contains a run"), claimed(run, resume=False):
        pass
    holder.join()
    assert not (run.folder / ".lock").exists()


def test_nothing_is_left_in_a_strangers_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(RunError), claimed(Run(tmp_path), resume=resume):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), claimed(Run(tmp_path / "file" / "run"), resume=False):
        pass


def test_a_lock_that_somebody_else_left_is_no_obstacle(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    (run.folder / ".lock").write_text("")
    assert not is_claimed(run)
    (run.folder / ".lock").write_text("")
    with claimed(run, resume=False):
        assert is_claimed(run)
    assert not is_claimed(run)
