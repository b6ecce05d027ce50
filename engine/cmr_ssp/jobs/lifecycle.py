"""Every job ends in a reported state, whatever happens in it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import nullcontext, suppress

import torch

from cmr_ssp.errors import CmrSspError, DeviceError, Problem
from cmr_ssp.events import Cancelled, JobEnded, OnEvent, Outcome
from cmr_ssp.runs import Run, WriteState, claimed, write_no_state

_WHERE_TRAINING_DOES_NOT_FIT = "Use a smaller batch_size or preset, or --device cpu."


def guarded(
    body: Callable[[], Outcome],
    on_event: OnEvent,
    run: Run | None = None,
    *,
    resume: bool = False,
    out_of_memory: str = _WHERE_TRAINING_DOES_NOT_FIT,
) -> Outcome:
    """Do the work and report how it ended: as the last event, and in the run if one is being made.

    `out_of_memory` says what to do where memory runs out.

    Raises
    ------
    CmrSspError
        What went wrong, after it was reported; running out of memory becomes a `DeviceError`.
    """
    try:
        with nullcontext(write_no_state) if run is None else claimed(run, resume=resume) as write_state:
            outcome = _do(body, write_state, out_of_memory)
    except BaseException as error:
        named = _named(error, out_of_memory)
        on_event(JobEnded(Outcome.FAILED, _problems(named)))
        if named is error:
            raise
        raise named from error
    on_event(JobEnded(outcome))
    return outcome


def _do(body: Callable[[], Outcome], write_state: WriteState, out_of_memory: str) -> Outcome:
    """Do the work and write how it ended; being cancelled is one way to end."""
    try:
        try:
            outcome = body()
        except Cancelled:
            outcome = Outcome.STOPPED
        write_state(outcome, ())
    except BaseException as error:
        with suppress(CmrSspError):  # a full disk must not hide what went wrong
            write_state(Outcome.FAILED, _problems(_named(error, out_of_memory)))
        raise
    return outcome


def _problems(error: BaseException) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, CmrSspError) else (_unforeseen(error),)


def _named(error: BaseException, remedy: str) -> BaseException:
    """Return running out of memory as an error with a way out, everything else as it is."""
    if not is_exhausted(error):
        return error
    release_memory(error)
    return DeviceError.of("memory", "the device has too little of it", remedy)


def is_exhausted(error: BaseException) -> bool:
    """Tell whether memory ran out; the libraries do not agree on an error for it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def release_memory(error: BaseException) -> None:
    """Let go of what the work held that ran out of memory."""
    error.__traceback__ = None  # its frames hold the tensors
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _unforeseen(error: BaseException) -> Problem:
    if isinstance(error, KeyboardInterrupt):
        return Problem("job", "it was interrupted", "Continue a training with --resume, or start again.")
    remedy = "Please report it with the log; it is a fault of this software or of the machine."
    return Problem("job", f"{type(error).__name__}: {error}", remedy)
