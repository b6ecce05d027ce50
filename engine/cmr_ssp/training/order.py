"""How long a training is, and which slice samples each update sees."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.recipes import Recipe


@dataclass(frozen=True, slots=True)
class TrainingLength:
    """Epochs and updates of a training.

    An epoch is one pass over the slice samples, incomplete batches dropped. Where there are fewer samples
    than a batch holds, an epoch is one update whose batch repeats them (the paper's rule would make it none).

    Attributes
    ----------
    updates_per_epoch : int
        What one pass takes.
    updates : int
        Of the whole training; under a time limit, as planned now.
    planned_at : int
        The update after which the present plan was made; 0 without a time limit.
    progress_then : float or None
        How much of the training lay before that update; None without a time limit.
    """

    updates_per_epoch: int
    updates: int
    planned_at: int = 0
    progress_then: float | None = None

    @classmethod
    def of(cls, recipe: Recipe, n_samples: int) -> TrainingLength:
        """Work out the length for a number of slice samples."""
        per_epoch = max(1, n_samples // recipe.batch_size)
        updates = recipe.updates if recipe.updates is not None else (recipe.epochs or 0) * per_epoch
        return cls(per_epoch, updates)

    @property
    def epochs(self) -> int:
        """How many epochs are begun."""
        return math.ceil(self.updates / self.updates_per_epoch)

    def epoch(self, update: int) -> int:
        """Return the 0-based epoch of a 0-based update."""
        return update // self.updates_per_epoch

    def ends_epoch(self, update: int) -> bool:
        """Whether a 0-based update is the last of its epoch or of the training."""
        return (update + 1) % self.updates_per_epoch == 0 or update + 1 == self.updates

    def progress(self, update: int, per: str = "update") -> float:
        """Return how much of the training lies before a 0-based update, 0 to 1.

        Under a time limit it grows with every update, whatever `per` says: an epoch may be longer than all
        of the training. A new plan goes on where the one before had come to.
        """
        if self.progress_then is not None:
            share = (update - self.planned_at) / max(self.updates - self.planned_at, 1)
            return min(max(self.progress_then + (1 - self.progress_then) * share, 0.0), 1.0)
        if per == "update":
            return update / self.updates
        return self.epoch(update) / self.epochs

    def planned(self, update: int, updates: int) -> TrainingLength:
        """Return the length as a time limit plans it anew after `update` updates: so many in all."""
        if updates == self.updates and self.progress_then is not None:
            return self
        then = self.progress(update)
        if then >= 1:  # the end was near and is put off: a rate of zero would teach nothing
            then = self.progress(update - 1)
        return replace(self, updates=updates, planned_at=update, progress_then=then)

    def ends_share(self, update: int, shares: int) -> bool:
        """Whether one of so many equal shares of the training ends after `update` updates."""
        if self.progress_then is None:
            return update % -(-self.updates // shares) == 0
        return int(shares * self.progress(update)) > int(shares * self.progress(update - 1))


def batch_order(samples: NDArray[np.int64], batch_size: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """Return one epoch's samples, shape (update, batch): a shuffle that depends on seed and epoch only."""
    n_updates = max(1, len(samples) // batch_size)
    shuffled = np.random.default_rng((seed, epoch)).permutation(samples)
    return np.resize(shuffled, (n_updates, batch_size))
