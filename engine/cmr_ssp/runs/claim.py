"""One job at a time in a run directory, also across processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from cmr_ssp.errors import CmrSspError, OutputError, Problem, RunError
from cmr_ssp.events import Outcome
from cmr_ssp.runs.run import LOCK, Run

_PATIENCE_S = 0.5  # somebody may be looking whether it is free

Record = Callable[[Outcome, Sequence[Problem]], None]
"""Notes in a run how its job ended."""


def no_record(outcome: Outcome, problems: Sequence[Problem]) -> None:
    """Note nothing."""
    del outcome, problems


@contextmanager
def claimed(run: Run, *, resume: bool) -> Iterator[Record]:
    """Make the directory of a run, or with `resume` take up the run in it, and keep other jobs out.

    What a job left behind that failed before its first checkpoint is no obstacle. A finished run stays
    finished, whatever becomes of a job that resumes it.

    Raises
    ------
    RunError
        Where the folder holds something else already, nothing to resume, or another job works in it.
    OutputError
        Where it cannot be made.
    """
    if not (run.folder / LOCK).exists():
        run.require_free(resume=resume)  # before anything is put into a stranger's folder
    with _locked(run):
        run.require_free(resume=resume)
        run.clear_leftovers()
        if resume and _is_finished(run):
            yield no_record
        else:
            run.write_state(None)
            yield run.write_state


def is_claimed(run: Run) -> bool:
    """Tell whether a job works in a run now."""
    if not (run.folder / LOCK).exists():
        return False
    lock = FileLock(run.folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # where it may not be opened, somebody else left it: we cannot know
        return True
    _release(lock)
    return False


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    lock = FileLock(run.folder / LOCK)
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout:
        what = "another job is at work in it"
        raise RunError.of(
            run.folder, what, "Wait until it has ended, or choose another run folder."
        ) from None
    except OSError as error:
        what = f"it cannot be written ({error.strerror})"
        raise OutputError.of(run.folder, what, "Choose another folder.") from error
    try:
        yield
    finally:
        _release(lock)


def _release(lock: BaseFileLock) -> None:
    """Give the run back and leave no file; who waits for the lock notices that its file is gone."""
    with suppress(OSError):  # Windows keeps an open file, and deletes it on release
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _is_finished(run: Run) -> bool:
    with suppress(CmrSspError):  # a damaged state will be written anew
        return run.read_state()[0] is Outcome.FINISHED
    return False
