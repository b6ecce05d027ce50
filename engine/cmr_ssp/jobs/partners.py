"""Training jobs of one process or of several, which end together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil

from cmr_ssp.errors import DeviceError
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.jobs.preparing import Workplace
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.runs import Run
from cmr_ssp.team import process_number


def training_job(
    body: Callable[[Workplace], Outcome],
    run: Run,
    settings: JobSettings | None,
    on_event: OnEvent,
    cancel: Cancel | None,
    *,
    resume: bool,
) -> Outcome:
    """Train, guarded; of several processes the first alone works in the run's folder and reports.

    Raises
    ------
    CmrSspError
        What went wrong, after it was reported.
    """

    def prepare_and_train() -> Outcome:
        work = Workplace.of(settings, on_event, cancel)
        try:
            outcome = body(work)
            work.processes.wait()  # a process that ends early would look like one that failed
        except BaseException as error:
            if work.team.count > 1 and not work.team.started:
                _end_partners()
            if work.team.count > 1 and _is_lost(error):
                what = "lost another process, which ended, was stopped or cannot be reached"
                remedy = "See what that one said; then continue with --resume."
                raise DeviceError.of(f"process {work.team.number}", what, remedy) from error
            raise
        return outcome

    if process_number():
        return guarded(prepare_and_train, ignore_events)
    return guarded(prepare_and_train, on_event, run, resume=resume)


def _end_partners() -> None:
    """End the processes that this one started: one that was stopped would stay for ever."""
    for partner in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            partner.kill()


_OF_LOST = ("gloo", "nccl", "connection closed", "connection reset", "timed out", "pair closure")


def _is_lost(error: BaseException) -> bool:
    """Tell whether a process could not reach another; the libraries have no error of their own for it."""
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _OF_LOST)
