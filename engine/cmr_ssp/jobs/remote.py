"""Pretrain and train on labels on a worker of dask.distributed, as on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from queue import Empty, Queue
from typing import Any, Literal

from pydantic import TypeAdapter

from cmr_ssp.cluster import StopFile, running_scheduler, why_lost
from cmr_ssp.errors import CmrSspError, Problem, RunError
from cmr_ssp.events import (
    Cancel,
    CheckpointWritten,
    EpochFinished,
    Event,
    JobEnded,
    Noticed,
    OnEvent,
    Outcome,
    Preparing,
    RunStarted,
    UpdateFinished,
    WeightsTransferred,
    ignore_events,
)
from cmr_ssp.jobs.finetune import finetune
from cmr_ssp.jobs.pretrain import pretrain
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort

_JOBS: Mapping[str, Any] = {"pretrain": pretrain, "finetune": finetune}
_SENT = (
    Preparing,
    RunStarted,
    WeightsTransferred,
    UpdateFinished,
    EpochFinished,
    CheckpointWritten,
    Noticed,
    JobEnded,
)
_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in _SENT}
_LOOK_EVERY_S, _UPDATE_EVERY_S, _LATE_EVENTS_S = 0.2, 0.2, 2.0


def train_remotely(
    address: str,
    stage: Literal["pretrain", "finetune"],
    cohort: Cohort,
    recipe: Recipe | None,
    run: Run,
    *,
    insecure: bool = False,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
    **options: Any,
) -> Outcome:
    """Train on a worker that sees cohort and run by the same paths; events arrive as from a local training.

    If the worker is lost, another one continues the run from its last checkpoint.

    Parameters
    ----------
    address : str
        Address of the scheduler, see `cmr_ssp.cluster.running_scheduler`.
    stage : {"pretrain", "finetune"}
        Which job.
    cohort, recipe, run, **options
        As for that job.
    insecure : bool
        Allow a scheduler on another machine without encryption.
    on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    CmrSspError
        If the scheduler cannot be used, or the job failed.
    """
    cancel = cancel or Cancel()
    stop = StopFile(run.folder.parent / f".stop-{run.folder.name}")
    stop.clear()
    topic = f"cmr-ssp {run.folder.name} {time.time_ns():x}"
    arrived: Queue[Event] = Queue()
    try:
        with running_scheduler(address, insecure=insecure) as client:

            def receive(sent: tuple[float, Mapping[str, Any]]) -> None:
                kind, content = sent[1]["event"]
                arrived.put(_ADAPTERS[kind].validate_python(content))

            client.subscribe_topic(topic, receive)
            future = client.submit(
                _train, stage, cohort, recipe, run, options, topic, stop, key=topic, pure=False
            )
            while not future.done():
                _pass_on(arrived, on_event, _LOOK_EVERY_S)
                if cancel.requested and not stop.requested:
                    stop.request()
            outcome, problems = _result(future, run)
            # The result can overtake the last events, among which is that of the end.
            _pass_on(arrived, on_event, _LATE_EVENTS_S, until_end=True)
    finally:
        stop.clear()
    if problems:
        raise CmrSspError(*problems)
    return outcome


def _pass_on(arrived: Queue[Event], on_event: OnEvent, patience_s: float, *, until_end: bool = False) -> None:
    """Report the events that arrived; wait for one, or until the one that ends the job."""
    end = time.monotonic() + patience_s
    while (left := end - time.monotonic()) > 0:
        try:
            event = arrived.get(timeout=left)
        except Empty:
            return
        on_event(event)
        if isinstance(event, JobEnded) or (not until_end and arrived.empty()):
            return


def _result(future: Any, run: Run) -> tuple[Outcome, tuple[Problem, ...]]:
    if future.status == "finished":
        outcome, problems = future.result()
        return Outcome(outcome), problems
    return Outcome.FAILED, RunError.of(run.folder, why_lost(future), "Resume the run.").problems


def _train(
    stage: str,
    cohort: Cohort,
    recipe: Recipe | None,
    run: Run,
    options: dict[str, Any],
    topic: str,
    stop: StopFile,
) -> tuple[str, tuple[Problem, ...]]:
    """Train on a worker; return the outcome, and the problems instead of raising them."""
    from distributed import get_worker

    worker = get_worker()
    last_update = 0.0

    def send(event: Event) -> None:
        nonlocal last_update
        now = time.monotonic()
        is_update = isinstance(event, UpdateFinished) and event.update < event.updates
        if type(event).__name__ not in _ADAPTERS or (is_update and now - last_update < _UPDATE_EVERY_S):
            return
        last_update = now if is_update else last_update
        content = _ADAPTERS[type(event).__name__].dump_python(event, mode="json")
        worker.log_event(topic, {"event": (type(event).__name__, content)})

    if run.last.exists() and not options.get("resume"):  # another worker began it and was lost
        options, recipe = options | {"resume": True}, None
    try:
        outcome = _JOBS[stage](cohort, recipe, run, on_event=send, cancel=stop, **options)
    except CmrSspError as error:
        return Outcome.FAILED, error.problems
    return outcome, ()
