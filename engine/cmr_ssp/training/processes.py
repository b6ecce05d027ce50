"""Communication between processes that train one network, each on its part of every batch."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_ssp.devices import patience

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_T = TypeVar("_T")

_WAIT = timedelta(hours=12)


class Processes:
    """Communication between the processes of a training; trivial without a fabric or with one process.

    Each process computes the loss of its part of the batch (or of all of it, if the loss compares a whole
    batch), and the gradients are averaged over the processes. Tensors that are exchanged with gradients
    therefore return the gradient of the sum of the losses of all processes.

    Parameters
    ----------
    fabric : Fabric, optional
        Fabric after ``launch``.
    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.world_size: int = fabric.world_size if fabric is not None else 1
        self.rank: int = fabric.global_rank if fabric is not None else 0
        # Other communication times out after minutes; waiting for rank 0 may take hours.
        together = self.world_size > 1 and torch.distributed.is_initialized()
        self._patient = torch.distributed.new_group(timeout=_WAIT, backend="gloo") if together else None

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes, reports and decides."""
        return self.rank == 0

    def part(self, n: int) -> NDArray[np.int64] | None:
        """Return the indices of this process's part of a batch of `n` samples, or None for all of them.

        `n` must be a multiple of `world_size`.
        """
        if self.world_size == 1:
            return None
        size = n // self.world_size
        return np.arange(self.rank * size, (self.rank + 1) * size)

    def gather(self, part: Tensor, n_views: int = 1) -> Tensor:
        """Gather a tensor from all processes in the order of the whole batch, with gradients.

        Parameters
        ----------
        part : Tensor, shape (n_views * n / world_size, ...)
            First one view of each slice in `self.part(n)`, then the next view of each.
        n_views : int
            Views of each slice.
        """
        if self._fabric is None or self.world_size == 1:
            return part
        everyone: Any = self._fabric.all_gather(part, sync_grads=True)
        by_view: Tensor = everyone.unflatten(1, (n_views, -1)).transpose(0, 1)
        return by_view.flatten(0, 2)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the processes, without gradients."""
        if self._fabric is None or self.world_size == 1:
            return value
        averaged = value.detach().clone()
        torch.distributed.all_reduce(averaged)
        return averaged / self.world_size

    def broadcast_flag(self, answer: bool) -> bool:
        """Return the answer of rank 0."""
        if self._fabric is None or self.world_size == 1:
            return answer
        sent = torch.tensor([answer], dtype=torch.uint8, device=self._fabric.device)
        torch.distributed.broadcast(sent, 0)
        return bool(sent)

    def broadcast(self, value: _T) -> _T:
        """Return the value of rank 0."""
        if self._fabric is None or self.world_size == 1:
            return value
        received: _T = self._fabric.broadcast(value)
        return received

    def wait(self) -> None:
        """Wait until all processes reach this call, for example while rank 0 builds a bank or validates.

        The others wait up to twelve hours for rank 0; rank 0 waits for them as long as in an update.
        """
        if self._patient is not None:
            limit = patience() if self.first else _WAIT
            torch.distributed.monitored_barrier(self._patient, timeout=limit)


SINGLE_PROCESS = Processes()
"""Training in a single process."""
