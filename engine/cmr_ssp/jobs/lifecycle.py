"""Run the body of a job and report how it ended."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import nullcontext, suppress

import torch

from cmr_ssp.errors import CmrSspError, DeviceError, Problem
from cmr_ssp.events import Cancelled, JobEnded, OnEvent, Outcome
from cmr_ssp.runs import Run, WriteState, claimed, write_no_state

_TRAINING_MEMORY_REMEDY = "Use a smaller batch_size or preset, or --device cpu."


def run_job(
    body: Callable[[], Outcome],
    on_event: OnEvent,
    run: Run | None = None,
    *,
    resume: bool = False,
    out_of_memory: str = _TRAINING_MEMORY_REMEDY,
) -> Outcome:
    """Run the body of a job; report its outcome as the last event, and in the run if there is one.

    `out_of_memory` is the remedy to show if memory runs out.

    Raises
    ------
    CmrSspError
        Any error of the body, after it was reported; running out of memory becomes a `DeviceError`.
    """
    try:
        with nullcontext(write_no_state) if run is None else claimed(run, resume=resume) as write_state:
            outcome = _run_body(body, write_state, out_of_memory)
    except BaseException as error:
        named = _named(error, out_of_memory)
        on_event(JobEnded(Outcome.FAILED, _problems(named)))
        if named is error:
            raise
        raise named from error
    on_event(JobEnded(outcome))
    return outcome


def _run_body(body: Callable[[], Outcome], write_state: WriteState, out_of_memory: str) -> Outcome:
    """Run the body and write its outcome; `Cancelled` means that it was stopped."""
    try:
        try:
            outcome = body()
        except Cancelled:
            outcome = Outcome.STOPPED
        write_state(outcome, ())
    except BaseException as error:
        with suppress(CmrSspError):  # a full disk must not hide the first error
            write_state(Outcome.FAILED, _problems(_named(error, out_of_memory)))
        raise
    return outcome


def _problems(error: BaseException) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, CmrSspError) else (_unexpected_problem(error),)


def _named(error: BaseException, remedy: str) -> BaseException:
    """Return a `DeviceError` with a remedy if memory ran out, otherwise the error itself."""
    if not is_out_of_memory(error):
        return error
    release_memory(error)
    return DeviceError.of("memory", "the device has too little memory", remedy)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out; libraries use different exceptions for it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def release_memory(error: BaseException) -> None:
    """Free the memory that the failed work still holds."""
    error.__traceback__ = None  # its frames hold the tensors
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _unexpected_problem(error: BaseException) -> Problem:
    if isinstance(error, KeyboardInterrupt):
        return Problem("job", "it was interrupted", "Continue a training with --resume, or start again.")
    remedy = "Please report it with the log; it is a bug of this software or a fault of the machine."
    return Problem("job", f"{type(error).__name__}: {error}", remedy)
