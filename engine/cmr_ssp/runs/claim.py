"""One job at a time in a run directory, also across processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from cmr_ssp.errors import CmrSspError, Problem, RunError
from cmr_ssp.events import Outcome
from cmr_ssp.locking import holding, is_held
from cmr_ssp.runs.run import LOCK, Run

_PATIENCE_S = 0.5  # somebody may be looking whether it is free

WriteState = Callable[[Outcome, Sequence[Problem]], None]
"""Writes to a run how its job ended."""


def write_no_state(outcome: Outcome, problems: Sequence[Problem]) -> None:
    """Write nothing."""
    del outcome, problems


@contextmanager
def claimed(run: Run, *, resume: bool) -> Iterator[WriteState]:
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
            yield write_no_state
        else:
            run.write_state(None)
            yield run.write_state


def is_claimed(run: Run) -> bool:
    """Tell whether a job works in a run now."""
    return is_held(run.folder / LOCK)


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    remedy = "Wait until it has ended, or choose another run folder."
    busy = RunError.of(run.folder, "another job is at work in it", remedy)
    with holding(run.folder / LOCK, busy, _PATIENCE_S):
        yield


def _is_finished(run: Run) -> bool:
    with suppress(CmrSspError):  # a damaged state will be written anew
        return run.read_state()[0] is Outcome.FINISHED
    return False
