"""The moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage:
    """Exponential moving average of the weights and running statistics of a network.

    It predicts in place of the network: it varies less from update to update. At first it forgets faster, by
    (1 + n) / (10 + n) after n updates, so that short trainings do not remember their random start.

    Parameters
    ----------
    network : nn.Module
        Network to follow; its devices and memory formats are kept.
    decay : float
        Share that remains after each update, below 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._trained: dict[str, Tensor] = dict(network.state_dict(keep_vars=True))
        self._averaged = {name: tensor.detach().clone() for name, tensor in self._trained.items()}

    @property
    def state(self) -> Mapping[str, Tensor]:
        """The averaged state of the network."""
        return self._averaged

    @torch.no_grad()
    def follow(self, update: int) -> None:
        """Include the weights after a 0-based update."""
        decay = min(self._decay, (1 + update) / (10 + update))
        weights = [name for name, tensor in self._averaged.items() if tensor.is_floating_point()]
        mine, theirs = [self._averaged[name] for name in weights], [self._trained[name] for name in weights]
        get_ema_multi_avg_fn(decay)(mine, theirs, update)  # type: ignore[no-untyped-call]
        for name in self._averaged.keys() - set(weights):  # counts
            self._averaged[name].copy_(self._trained[name])

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state."""
        for name, tensor in self._averaged.items():
            tensor.copy_(state[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network have the average for a while."""
        trained = {name: tensor.detach().clone() for name, tensor in self._trained.items()}
        self._load(self._averaged)
        try:
            yield
        finally:
            self._load(trained)

    @torch.no_grad()
    def _load(self, state: Mapping[str, Tensor]) -> None:
        for name, tensor in self._trained.items():
            tensor.copy_(state[name])
