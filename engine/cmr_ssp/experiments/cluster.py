"""Run the cells of an experiment on the workers of dask.distributed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from cmr_ssp.cluster import StopFile, why_lost
from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel, Event, UpdateFinished
from cmr_ssp.experiments.cell_work import CellWork, OnCellEnd
from cmr_ssp.experiments.cells import Cell

if TYPE_CHECKING:
    from distributed import Client

STOP = ".stop"
"""Name of the file in an experiment folder that asks all workers to stop."""

_TOPIC = "cmr-ssp"
_REPORT_EVERY_S = 1.0
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class CellProgress:
    """How far a cell is on a worker; `updates` is 0 when it begins."""

    cell: str
    worker: str
    update: int = 0
    updates: int = 0
    seconds_left: float | None = None


OnProgress = Callable[[CellProgress], None]


@dataclass(frozen=True, slots=True)
class OnCluster:
    """Runs cells on the workers of a scheduler, which decides where and in which order.

    Attributes
    ----------
    client : distributed.Client
        Connected to the scheduler; its workers see the folders of experiment and data by the same paths.
    on_progress : callable
        Called about every second for each cell at work, in a thread of the client.
    """

    client: Client
    on_progress: OnProgress

    def __call__(self, cells: Sequence[Cell], work: CellWork, on_end: OnCellEnd, cancel: Cancel) -> None:
        """Run cells; see `Execute`."""
        stop = StopFile(work.folder / STOP)
        stop.clear()
        self.client.subscribe_topic(
            _TOPIC, lambda event: self.on_progress(CellProgress(*event[1]["progress"]))
        )
        try:
            self._follow(self._submit(cells, work), on_end, stop, cancel)
        finally:
            self.client.unsubscribe_topic(_TOPIC)
            stop.clear()

    def _submit(self, cells: Sequence[Cell], work: CellWork) -> dict[Any, Cell]:
        token = f"{time.time_ns():x}"  # a cell that failed in an earlier call is another task
        found: dict[str, Any] = {}
        for cell in cells:
            needed = [found[name] for name in cell.needs if name in found]
            key = f"{cell.id}-{token}"
            found[cell.id] = self.client.submit(run_on_worker, work, cell, needed, key=key, pure=False)
        return {future: cell for cell, future in zip(cells, found.values(), strict=True)}

    def _follow(self, futures: dict[Any, Cell], on_end: OnCellEnd, stop: StopFile, cancel: Cancel) -> None:
        ended: Queue[Any] = Queue()
        for future in futures:
            future.add_done_callback(ended.put)
        left = len(futures)
        while left:
            if cancel.requested and not stop.requested:
                stop.request()  # cells at work save their state, the others do not begin
            try:
                future = ended.get(timeout=_LOOK_EVERY_S)
            except Empty:
                continue
            left -= 1
            cell = futures.pop(future)
            on_end(cell, _problems(cell, future))


def run_on_worker(work: CellWork, cell: Cell, needed: Sequence[object]) -> tuple[Problem, ...]:
    """Run a cell on a worker, after the results that it needs are there."""
    from distributed import get_worker

    del needed
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.ERROR)
    worker = get_worker()
    told = 0.0

    def tell(event: Event) -> None:
        nonlocal told
        now = time.monotonic()
        if isinstance(event, UpdateFinished) and now - told > _REPORT_EVERY_S:
            told = now
            _tell(worker, cell, event.update, event.updates, event.seconds_left)

    stop = StopFile(work.folder / STOP)
    if not stop.requested and work.can_begin(cell):
        _tell(worker, cell)
    return work.run(cell, tell, stop)


def _tell(worker: Any, cell: Cell, update: int = 0, updates: int = 0, left: float | None = None) -> None:
    worker.log_event(_TOPIC, {"progress": (cell.id, str(worker.name), update, updates, left)})


def _problems(cell: Cell, future: Any) -> tuple[Problem, ...]:
    """Return the problems of a cell that ended, also where its worker was lost."""
    if future.status == "finished":
        found: tuple[Problem, ...] = future.result()
        return found
    remedy = "Run the experiment again: it goes on from the last checkpoint."
    return (Problem(cell.id, why_lost(future), remedy),)
