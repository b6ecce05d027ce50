"""The training objective, and one optimiser step: micro-batches, gradient, learning rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.errors import Problem, RunError
from cmr_ssp.events import Cancel, Event
from cmr_ssp.networks import share_norms
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import Run
from cmr_ssp.training.average import MovingAverage
from cmr_ssp.training.optimiser import learning_rate, make_optimiser
from cmr_ssp.training.order import TrainingLength, batch_order
from cmr_ssp.training.processes import SINGLE_PROCESS, Processes

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Objective(ABC):
    """Base class of training objectives: network, samples, loss and hooks of the training loop.

    Attributes
    ----------
    network : nn.Module
        Network to train and to save in checkpoints.
    samples : ndarray of int
        Indices of the training slices.
    processes : Processes
        Processes that share every batch; set by the training loop.
    """

    network: nn.Module
    samples: NDArray[np.int64]
    processes: Processes = SINGLE_PROCESS

    @abstractmethod
    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Compute the mean loss of the samples; `network` is `self.network` wrapped by Fabric.

        If several processes share the batch, `samples` are those of all processes. Each makes the views of
        its own part, and the loss is the mean of their return values.
        """

    def with_others(
        self, samples: NDArray[np.int64], update: int, length: TrainingLength
    ) -> NDArray[np.int64]:
        """Return the batch of a 0-based update, in which others may take the place of some samples.

        The result must depend on the arguments and the recipe only.
        """
        del update, length
        return samples

    def begin_batch(self, samples: NDArray[np.int64]) -> None:  # noqa: B027 - may stay empty
        """Prepare for a batch (of all processes), before the losses of its micro-batches."""

    def before_update(self, update: int, length: TrainingLength) -> None:  # noqa: B027 - may stay empty
        """Prepare the network for a 0-based update."""

    def after_update(self, update: int, length: TrainingLength) -> None:  # noqa: B027 - may stay empty
        """Finish a 0-based update after the optimiser step, for example update a teacher."""

    def history_columns(self) -> dict[str, float]:
        """Return further columns for the history, about the last update."""
        return {}

    def warning(self, run: Run) -> Problem | None:
        """Return a warning about the training, or None; only the first one is reported."""
        del run
        return None

    def quality(self, mean_loss: float) -> float:
        """Rate the network if nothing is validated; higher is better."""
        return -mean_loss

    def save_reconstructions(self, run: Run, update: int, length: TrainingLength) -> Event | None:
        """Save reconstructions after `update` updates in the run if they are due; return the event to report.

        They must depend on the network only, and must not change it.
        """
        del run, update, length
        return None

    def delete_reconstructions(self, run: Run, after: int) -> None:  # noqa: B027 - may stay empty
        """Delete the reconstructions of updates after `after`, which will be repeated."""

    def validate(self, cancel: Cancel) -> dict[str, float]:
        """Measure the network on validation subjects; return an empty dict if there are none.

        The first entry selects the best checkpoint; higher is better. Call ``cancel.check()`` about every
        second; do not catch `Cancelled`.
        """
        del cancel
        return {}


class Stepper:
    """Computes the updates of a training; its random numbers depend on the recipe's order seed only.

    Parameters
    ----------
    objective : Objective
        Network, samples and loss.
    recipe : Recipe
        Batch size, optimiser, schedule and seed.
    length : TrainingLength
        Length of the training; replaced by the loop under a time limit.
    fabric : Fabric
        Device and precision.

    Attributes
    ----------
    average : MovingAverage or None
        Of the network's weights, if the recipe asks for it.
    """

    def __init__(self, objective: Objective, recipe: Recipe, length: TrainingLength, fabric: Fabric) -> None:
        self._objective, self._recipe, self._fabric = objective, recipe, fabric
        self.length = length
        self.processes = objective.processes = Processes(fabric)
        if self.processes.world_size > 1:
            share_norms(objective.network)
        network = objective.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = make_optimiser(network, recipe.optimiser)
        self._network, self.optimiser = fabric.setup(network, optimiser)
        decay = recipe.average_decay
        self.average = None if decay is None else MovingAverage(objective.network, decay)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty((0, 0), dtype=np.int64))

    def step(self, update: int, cancel: Cancel) -> Tensor | None:
        """Compute one update; return its mean loss, or None if it was cancelled, without any change."""
        recipe = self._recipe
        self._objective.before_update(update, self.length)
        self._set_learning_rate(update)
        samples = self._objective.with_others(self._batch(update), update, self.length)
        self._objective.begin_batch(samples)
        parts = np.split(samples, len(samples) // (recipe.micro_batch or len(samples)))
        # To restore the running statistics of batch norm if the update is cancelled.
        buffers = [buffer.clone() for buffer in self._network.buffers()] if len(parts) > 1 else []
        total = torch.zeros((), device=self._fabric.device)
        for place, micro in enumerate(parts):
            if self.processes.broadcast_flag(cancel.requested):
                self._undo(buffers)
                return None
            # Gradients are averaged over processes only once, after the last micro-batch.
            with self._fabric.no_backward_sync(self._network, enabled=place + 1 < len(parts)):
                loss = self._objective.loss(self._network, micro, (recipe.order_seed, update, place))
                share = len(micro) / len(samples)
                self._fabric.backward(loss * share)
            total += loss.detach() * share
        self._clip(update)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._objective.after_update(update, self.length)
        if self.average is not None:
            self.average.follow(update)
        return self.processes.mean(total)

    def _clip(self, update: int) -> None:
        """Clip the gradient norm.

        Raises
        ------
        RunError
            If the gradients are not finite, before the weights change. In half precision such updates are
            skipped instead.
        """
        longest = self._recipe.optimiser.max_gradient_norm
        if longest is None:
            return
        norm = self._fabric.clip_gradients(
            self._network, self.optimiser, max_norm=longest, error_if_nonfinite=False
        )
        if not self.precision_state() and norm is not None and not bool(torch.isfinite(norm)):
            remedy = "Start another run with a lower optimiser.learning_rate, or with precision 32-true."
            raise RunError.of(f"update {update + 1}", "its gradients are not finite numbers", remedy)

    def precision_state(self) -> dict[str, Any]:
        """Return the state of the precision plugin: in half precision, the gradient scale."""
        return dict(self._fabric.strategy.precision.state_dict())

    def restore_precision(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `precision_state`."""
        if state:
            self._fabric.strategy.precision.load_state_dict(dict(state))

    def _undo(self, buffers: list[Tensor]) -> None:
        """Reset the gradients, and restore the buffers if they were copied."""
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, before in zip(self._network.buffers(), buffers, strict=False):
                buffer.copy_(before)

    def _batch(self, update: int) -> NDArray[np.int64]:
        epoch = self.length.epoch(update)
        if self._order[0] != epoch:
            recipe = self._recipe
            order = batch_order(self._objective.samples, recipe.batch_size, epoch, recipe.order_seed)
            self._order = (epoch, order)
        batch: NDArray[np.int64] = self._order[1][update % self.length.updates_per_epoch]
        return batch

    def _set_learning_rate(self, update: int) -> None:
        schedule = self._recipe.schedule
        progress = self.length.progress(update, schedule.per)
        rate = learning_rate(schedule, self._recipe.optimiser.learning_rate, progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
