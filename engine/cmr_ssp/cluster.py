"""Connect to dask.distributed: an embedded cluster of this machine, or a running scheduler."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmr_ssp.errors import OutputError
from cmr_ssp.events import Cancel

if TYPE_CHECKING:
    from distributed import Client

INSTALL = 'pip install "cmr-ssp[cluster]"'
_CONNECT_S = 20.0
_LOOK_EVERY_S = 0.5


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
            dashboard_address="127.0.0.1:0",  # shows something only where bokeh is installed
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
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        what = f"cannot be reached as a scheduler of dask ({error})"
        raise OutputError.of(address, what, "Start it, and check address and certificates.") from error
    with client:
        yield client


def why_lost(future: Any) -> str:
    """Describe why a future of dask has no result."""
    if future.status != "error":
        return "lost its worker (the scheduler gave it up)"
    error = future.exception()
    return f"lost its worker ({type(error).__name__}: {error})"


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


class StopFile(Cancel):
    """A request to stop that processes on several machines share: a file that they all see.

    Parameters
    ----------
    path : Path
        The file; its folder is seen by all of them.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._looked_at = path, 0.0

    def __reduce__(self) -> tuple[type[StopFile], tuple[Path]]:
        return StopFile, (self._path,)

    def request(self) -> None:
        """Ask all processes to stop soon."""
        self._path.touch()
        super().request()

    def clear(self) -> None:
        """Withdraw the request."""
        self._path.unlink(missing_ok=True)

    @property
    def requested(self) -> bool:
        """Whether a stop was requested; looks at the file every half second."""
        now = time.monotonic()
        if not super().requested and now - self._looked_at > _LOOK_EVERY_S:
            self._looked_at = now
            if self._path.exists():
                super().request()
        return super().requested
