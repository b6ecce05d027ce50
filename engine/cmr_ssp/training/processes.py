"""The processes that train one network together, each on its part of every batch."""

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
    """What the processes of a training ask one another; without a fabric, or with one process, nothing.

    Every process computes the loss of its part (or, where a loss compares a whole batch, of all of it), and
    the gradients are averaged over the processes. Whatever is exchanged with gradients therefore hands back
    the gradient of the sum of all processes' losses.

    Parameters
    ----------
    fabric : Fabric, optional
        Launched.
    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.count: int = fabric.world_size if fabric is not None else 1
        self.number: int = fabric.global_rank if fabric is not None else 0
        # Every other exchange ends when a partner does not answer for minutes; these may take hours.
        together = self.count > 1 and torch.distributed.is_initialized()
        self._patient = torch.distributed.new_group(timeout=_WAIT, backend="gloo") if together else None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, reports and decides."""
        return self.number == 0

    def part(self, n: int) -> NDArray[np.int64] | None:
        """Return the places of this process's part in a batch of `n`, a multiple of `count`; None is all."""
        if self.count == 1:
            return None
        size = n // self.count
        return np.arange(self.number * size, (self.number + 1) * size)

    def gathered(self, part: Tensor, n_views: int = 1) -> Tensor:
        """Return what all processes have, in the order of the whole batch, with gradients.

        Parameters
        ----------
        part : Tensor, shape (n_views * n / count, ...)
            First of one view of each slice in `self.part(n)`, then of the next of each.
        n_views : int
            Of each slice.
        """
        if self._fabric is None or self.count == 1:
            return part
        everyone: Any = self._fabric.all_gather(part, sync_grads=True)
        by_view: Tensor = everyone.unflatten(1, (n_views, -1)).transpose(0, 1)
        return by_view.flatten(0, 2)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the processes, without gradients."""
        if self._fabric is None or self.count == 1:
            return value
        averaged = value.detach().clone()
        torch.distributed.all_reduce(averaged)
        return averaged / self.count

    def agree(self, answer: bool) -> bool:
        """Return what the first process answers."""
        if self._fabric is None or self.count == 1:
            return answer
        told = torch.tensor([answer], dtype=torch.uint8, device=self._fabric.device)
        torch.distributed.broadcast(told, 0)
        return bool(told)

    def from_first(self, value: _T) -> _T:
        """Return the first process's value."""
        if self._fabric is None or self.count == 1:
            return value
        told: _T = self._fabric.broadcast(value)
        return told

    def wait(self) -> None:
        """Wait until all processes are here, also while the first builds a slice bank or validates.

        The others wait hours for the first; the first, which comes last, waits for them as for an update.
        """
        if self._patient is not None:
            limit = patience() if self.first else _WAIT
            torch.distributed.monitored_barrier(self._patient, timeout=limit)


ALONE = Processes()
"""One process that does everything."""
