"""Length of a training, and the order of its samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.recipes import Recipe


@dataclass(frozen=True, slots=True)
class TrainingLength:
    """Epochs and updates of a training.

    An epoch is one pass over the slice samples without incomplete batches. With fewer samples than a batch
    holds, an epoch is one update whose batch repeats samples (by the paper's rule it would have none).

    Attributes
    ----------
    updates_per_epoch : int
        Updates in one pass.
    updates : int
        Updates of the whole training; under a time limit, as currently planned.
    planned_at : int
        Update after which the current plan was made; 0 without a time limit.
    progress_then : float or None
        Progress at that update; None without a time limit.
    """

    updates_per_epoch: int
    updates: int
    planned_at: int = 0
    progress_then: float | None = None

    @classmethod
    def of(cls, recipe: Recipe, n_samples: int) -> TrainingLength:
        """Compute the length for a number of slice samples."""
        per_epoch = max(1, n_samples // recipe.batch_size)
        updates = recipe.updates if recipe.updates is not None else (recipe.epochs or 0) * per_epoch
        return cls(per_epoch, updates)

    @property
    def epochs(self) -> int:
        """Number of epochs, including an incomplete last one."""
        return math.ceil(self.updates / self.updates_per_epoch)

    def epoch(self, update: int) -> int:
        """Return the 0-based epoch of a 0-based update."""
        return update // self.updates_per_epoch

    def ends_epoch(self, update: int) -> bool:
        """Return whether a 0-based update is the last of its epoch or of the training."""
        return (update + 1) % self.updates_per_epoch == 0 or update + 1 == self.updates

    def progress(self, update: int, per: str = "update") -> float:
        """Return the progress of the training before a 0-based update, 0 to 1.

        Under a time limit it increases with every update and `per` is ignored, since an epoch may be longer
        than the whole training. A new plan continues from the progress of the previous one.
        """
        if self.progress_then is not None:
            share = (update - self.planned_at) / max(self.updates - self.planned_at, 1)
            return min(max(self.progress_then + (1 - self.progress_then) * share, 0.0), 1.0)
        if per == "update":
            return update / self.updates
        return self.epoch(update) / self.epochs

    def replan(self, update: int, updates: int) -> TrainingLength:
        """Return the length with a new total number of updates, planned after `update` updates."""
        if updates == self.updates and self.progress_then is not None:
            return self
        then = self.progress(update)
        if then >= 1:  # the end was postponed; avoids a learning rate of zero
            then = self.progress(update - 1)
        return replace(self, updates=updates, planned_at=update, progress_then=then)

    def ends_share(self, update: int, shares: int) -> bool:
        """Return whether one of `shares` equal shares of the training ends after `update` updates."""
        if self.progress_then is None:
            return update % -(-self.updates // shares) == 0
        return int(shares * self.progress(update)) > int(shares * self.progress(update - 1))


def batch_order(samples: NDArray[np.int64], batch_size: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """Return the samples of an epoch, shape (update, batch), shuffled by seed and epoch."""
    n_updates = max(1, len(samples) // batch_size)
    shuffled = np.random.default_rng((seed, epoch)).permutation(samples)
    return np.resize(shuffled, (n_updates, batch_size))
