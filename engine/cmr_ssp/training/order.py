"""How long a training is, and which slice samples each update sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.recipes import Recipe


@dataclass(frozen=True, slots=True)
class TrainingLength:
    """Epochs and updates of a training.

    An epoch is one pass over the slice samples, incomplete batches dropped. Where there are fewer samples
    than a batch holds, an epoch is one update whose batch repeats them (the paper's rule would make it none).
    """

    updates_per_epoch: int
    updates: int

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

    def progress(self, update: int, per: str) -> float:
        """Return how much of the training lies before a 0-based update, 0 to 1."""
        if per == "update":
            return update / self.updates
        return self.epoch(update) / self.epochs


def batch_order(samples: NDArray[np.int64], batch_size: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """Return one epoch's samples, shape (update, batch): a shuffle that depends on seed and epoch only."""
    n_updates = max(1, len(samples) // batch_size)
    shuffled = np.random.default_rng((seed, epoch)).permutation(samples)
    return np.resize(shuffled, (n_updates, batch_size))
