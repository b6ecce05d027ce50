"""Run the cells of an experiment on dask.distributed: an embedded cluster, or a running scheduler."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmr_ssp.errors import OutputError, Problem
from cmr_ssp.events import Cancel, Event, OnEvent, UpdateFinished
from cmr_ssp.experiments.cell_work import CellWork, OnCell, OnCellEnd, StopFile
from cmr_ssp.experiments.cells import Cell

if TYPE_CHECKING:
    from distributed import Client

INSTALL = 'pip install "cmr-ssp[cluster]"'
_TOPIC = "cmr-ssp"
_REPORT_EVERY_S = 1.0
_LOOK_EVERY_S = 0.2
_CONNECT_S = 20.0


@dataclass(frozen=True, slots=True)
class CellProgress:
    """How far a cell is on a worker; `updates` is 0 when it begins."""

    cell: str
    worker: str
    update: int = 0
    updates: int = 0
    seconds_left: float | None = None


OnProgress = Callable[[CellProgress], None]


@contextmanager
def embedded_cluster(n_workers: int) -> Iterator[Client]:
    """Start workers on this machine, which end with the block or with this process.

    Each is a process of its own that runs one cell at a time, with its share of the processors, and with a
    GPU of its own where there are several. They listen on the loopback interface only.

    Raises
    ------
    OutputError
        If the package distributed is not installed.
    """
    _require_distributed()
    import dask
    from distributed import Client, LocalCluster

    threads = str(max(1, (os.cpu_count() or 1) // n_workers))
    settings = {
        # Otherwise a cell whose worker was killed three times would never be run again.
        "distributed.scheduler.allowed-failures": 1000,
        "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            memory_limit=0,  # dask would restart workers that it finds too large
            dashboard_address="127.0.0.1:0" if find_spec("bokeh") else None,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_one_gpu_each(_n_gpus()))
        yield client


@contextmanager
def running_scheduler(address: str, *, insecure: bool = False) -> Iterator[Client]:
    """Connect to a scheduler, with the certificates of dask's own configuration.

    Parameters
    ----------
    address : str
        Such as ``tls://HOST:8786``; ``tcp`` is refused except for the loopback interface.
    insecure : bool
        Allow ``tcp`` to other machines: everybody in the network could run code on the workers.

    Raises
    ------
    OutputError
        If distributed is not installed, the address is not safe, or nobody answers.
    """
    _require_distributed()
    from distributed import Client

    if not insecure and not is_safe(address):
        what = (
            "is neither encrypted nor on this machine: anybody in the network could run code on the workers"
        )
        raise OutputError.of(address, what, "Use tls:// with certificates, or --insecure.")
    try:
        with Client(address, timeout=_CONNECT_S, set_as_default=False) as client:
            yield client
    except (OSError, ValueError, RuntimeError) as error:
        what = f"cannot be reached as a scheduler of dask ({error})"
        raise OutputError.of(address, what, "Start it, and check address and certificates.") from error


def is_safe(address: str) -> bool:
    """Return whether the address of a scheduler is encrypted, or on this machine."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    host = parts.hostname or ""
    if parts.scheme == "tls" or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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

    def __call__(
        self,
        cells: Sequence[Cell],
        work: CellWork,
        *,
        on_event: OnEvent,
        on_cell: OnCell | None,
        on_end: OnCellEnd,
        cancel: Cancel,
    ) -> None:
        """Run cells, each after those that it needs; see `run_in_turn`."""
        del on_event, on_cell  # progress arrives from the workers
        stop = StopFile(work.folder)
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

    stop = StopFile(work.folder)
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
    why = future.exception() if future.status == "error" else "the scheduler gave it up"
    remedy = "Run the experiment again: it goes on from the last checkpoint."
    return (Problem(cell.id, f"lost its worker ({type(why).__name__}: {why})", remedy),)


def _require_distributed() -> None:
    if find_spec("distributed") is None:
        what = "several workers need the package distributed, which is not installed"
        raise OutputError.of("experiment", what, f"Install it with: {INSTALL}")


def _n_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _one_gpu_each(n_gpus: int) -> Any:
    """Return a plugin by which a worker sees one GPU, before it imports torch."""
    from distributed import WorkerPlugin

    class OneGpu(WorkerPlugin):  # type: ignore[misc]
        name = "cmr-ssp one GPU"

        def setup(self, worker: Any) -> None:
            os.environ.update(gpu_of(worker.name, n_gpus))

    return OneGpu()


def gpu_of(worker: object, n_gpus: int) -> dict[str, str]:
    """Return the environment of the worker with a number, by which it sees only its GPU."""
    return {"CUDA_VISIBLE_DEVICES": str(int(str(worker)) % n_gpus)} if n_gpus > 1 else {}
