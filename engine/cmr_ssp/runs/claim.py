"""Lock a run folder so that only one job at a time works in it, also across processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from cmr_ssp.errors import CmrSspError, Problem, RunError
from cmr_ssp.events import Outcome
from cmr_ssp.locking import holding, is_held
from cmr_ssp.runs.run import LOCK, Run

_PATIENCE_S = 0.5  # another process may be testing the lock

WriteState = Callable[[Outcome, Sequence[Problem]], None]
"""Writes the outcome of a job into its run."""


def write_no_state(outcome: Outcome, problems: Sequence[Problem]) -> None:
    """Write nothing."""
    del outcome, problems


@contextmanager
def claimed(run: Run, *, resume: bool) -> Iterator[WriteState]:
    """Create and lock the folder of a run, or lock an existing run with `resume`.

    The folder may contain the files of a job that failed before its first checkpoint. A finished run stays
    finished even if a job that resumes it fails.

    Raises
    ------
    RunError
        If the folder contains other files, has nothing to resume, or another job works in it.
    OutputError
        If it cannot be created.
    """
    if not (run.folder / LOCK).exists():
        run.require_free(resume=resume)  # before anything is written into a folder of the user
    with _locked(run):
        run.require_free(resume=resume)
        run.clear_leftovers()
        if resume and _is_finished(run):
            yield write_no_state
        else:
            run.write_state(None)
            yield run.write_state


def is_claimed(run: Run) -> bool:
    """Return whether a job is working in a run."""
    return is_held(run.folder / LOCK)


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    remedy = "Wait until it has ended, or choose another run folder."
    busy = RunError.of(run.folder, "another job is working in it", remedy)
    with holding(run.folder / LOCK, busy, _PATIENCE_S):
        yield


def _is_finished(run: Run) -> bool:
    with suppress(CmrSspError):  # a damaged state will be replaced
        return run.read_state()[0] is Outcome.FINISHED
    return False
