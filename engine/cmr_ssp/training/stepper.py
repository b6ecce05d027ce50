"""One optimiser step: micro-batches, gradient, learning rate."""

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
from cmr_ssp.training.optimiser import learning_rate, make_optimiser
from cmr_ssp.training.order import TrainingLength, batch_order
from cmr_ssp.training.processes import ALONE, Processes

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Objective(ABC):
    """What a method or fine-tuning fills in for the loop.

    Attributes
    ----------
    network : nn.Module
        What is trained, and what a checkpoint keeps.
    samples : ndarray of int
        The slice samples it trains on.
    processes : Processes
        Those that share every batch; the loop sets it.
    """

    network: nn.Module
    samples: NDArray[np.int64]
    processes: Processes = ALONE

    @abstractmethod
    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Return the mean loss of the samples; `network` is `self.network` behind the precision's wrapper.

        Where several processes share the batch, `samples` are those of all of them, each makes the views of
        its own part, and the mean of what they return is the loss.
        """

    def begin_batch(self, samples: NDArray[np.int64]) -> None:  # noqa: B027 - may stay empty
        """Look at the whole batch, of all processes, before the losses of its micro-batches."""

    def before_update(self, update: int, length: TrainingLength) -> None:  # noqa: B027 - may stay empty
        """Prepare the network for a 0-based update."""

    def after_update(self, update: int, length: TrainingLength) -> None:  # noqa: B027 - may stay empty
        """Do what follows the optimiser's step, such as moving a teacher."""

    def observed(self) -> dict[str, float]:
        """Return what else the history should show of the last update."""
        return {}

    def concern(self, run: Run) -> Problem | None:
        """Return a warning about how the training goes, None where all is well; reported once a run."""
        del run
        return None

    def rank(self, mean_loss: float) -> float:
        """Return how good the network is where nothing is validated: higher is better."""
        return -mean_loss

    def record(self, run: Run, update: int, length: TrainingLength) -> Event | None:
        """Keep in the run how the network does after so many updates, if that is due; return what to report.

        What is kept after an update is a function of the network alone, and the network stays as it is.
        """
        del run, update, length
        return None

    def forget(self, run: Run, after: int) -> None:  # noqa: B027 - may stay empty
        """Remove from the run what `record` kept of later updates, which are about to be done again."""

    def validate(self, cancel: Cancel) -> dict[str, float]:
        """Return what is measured on validation subjects; empty where there are none.

        The first entry chooses the best checkpoint: higher is better. Looks at `cancel` every second or
        so, and lets `Cancelled` out.
        """
        del cancel
        return {}


class Stepper:
    """Takes the updates of a training; all of its randomness is a function of the recipe's seed of order.

    Parameters
    ----------
    objective : Objective
        What is trained on what.
    recipe : Recipe
        Batch size, optimiser, schedule and seed.
    length : TrainingLength
        Of the whole training; the loop replaces it where a time limit is planned anew.
    fabric : Fabric
        Device and precision.
    """

    def __init__(self, objective: Objective, recipe: Recipe, length: TrainingLength, fabric: Fabric) -> None:
        self._objective, self._recipe, self._fabric = objective, recipe, fabric
        self.length = length
        self.processes = objective.processes = Processes(fabric)
        if self.processes.count > 1:
            share_norms(objective.network)
        network = objective.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = make_optimiser(network, recipe.optimiser)
        self._network, self.optimiser = fabric.setup(network, optimiser)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty((0, 0), dtype=np.int64))

    def step(self, update: int, cancel: Cancel) -> Tensor | None:
        """Do one update; return its mean loss, or None where it was cancelled and nothing changed."""
        recipe = self._recipe
        self._objective.before_update(update, self.length)
        self._set_learning_rate(update)
        samples = self._batch(update)
        self._objective.begin_batch(samples)
        parts = np.split(samples, len(samples) // (recipe.micro_batch or len(samples)))
        # A forward pass moves the running statistics of batch norm, even where its update never happens.
        buffers = [buffer.clone() for buffer in self._network.buffers()] if len(parts) > 1 else []
        total = torch.zeros((), device=self._fabric.device)
        for place, micro in enumerate(parts):
            if self.processes.agree(cancel.requested):
                self._undo(buffers)
                return None
            # The processes' gradients are averaged once, with those of the last micro-batch.
            with self._fabric.no_backward_sync(self._network, enabled=place + 1 < len(parts)):
                loss = self._objective.loss(self._network, micro, (recipe.order_seed, update, place))
                share = len(micro) / len(samples)
                self._fabric.backward(loss * share)
            total += loss.detach() * share
        self._clip(update)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._objective.after_update(update, self.length)
        return self.processes.mean(total)

    def _clip(self, update: int) -> None:
        """Clip long gradients; one that is not finite would make all weights so.

        Raises
        ------
        RunError
            Naming the update; nothing has changed then. In half precision such an update is skipped instead.
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
        """Return what the precision remembers between updates: in half precision, the scale of gradients."""
        return dict(self._fabric.strategy.precision.state_dict())

    def restore_precision(self, state: Mapping[str, Any]) -> None:
        """Take up what `precision_state` returned."""
        if state:
            self._fabric.strategy.precision.load_state_dict(dict(state))

    def _undo(self, buffers: list[Tensor]) -> None:
        """Forget the gradients, and put the buffers back where there are any."""
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
