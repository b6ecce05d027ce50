"""Run a training job in one process or in a process group."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil

from cmr_ssp.errors import DeviceError
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.context import TrainingContext
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.process_group import process_rank
from cmr_ssp.runs import Run


def training_job(
    body: Callable[[TrainingContext], Outcome],
    run: Run,
    settings: JobSettings | None,
    on_event: OnEvent,
    cancel: Cancel | None,
    *,
    resume: bool,
) -> Outcome:
    """Run a training job; in a process group only rank 0 writes to the run folder and reports.

    Raises
    ------
    CmrSspError
        Any error, after it was reported.
    """

    def prepare_and_train() -> Outcome:
        context = TrainingContext.of(settings, on_event, cancel)
        try:
            outcome = body(context)
            context.processes.wait()  # a process that exits early would look like a failed one
        except BaseException as error:
            if context.group.world_size > 1 and not context.group.started:
                _kill_children()
            if context.group.world_size > 1 and _is_connection_error(error):
                what = "lost the connection to another process, which failed, was stopped or is unreachable"
                remedy = "See the messages of that process; then continue with --resume."
                raise DeviceError.of(f"process {context.group.rank}", what, remedy) from error
            raise
        return outcome

    if process_rank():
        return run_job(prepare_and_train, ignore_events)
    return run_job(prepare_and_train, on_event, run, resume=resume)


def _kill_children() -> None:
    """Kill the processes that this one started; a suspended one would never exit."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()


_CONNECTION_MESSAGES = ("gloo", "nccl", "connection closed", "connection reset", "timed out", "pair closure")


def _is_connection_error(error: BaseException) -> bool:
    """Return whether the connection between processes failed; libraries have no exception class for it."""
    return isinstance(error, RuntimeError) and any(
        word in str(error).lower() for word in _CONNECTION_MESSAGES
    )
