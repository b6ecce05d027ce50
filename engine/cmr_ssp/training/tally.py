"""Counters of the training loop, and the comparison with the best network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """State of the training loop between updates; stored in checkpoints, so that resuming is exact."""

    update: int = 0
    loss_sum: float = 0.0  # since the last row of the history
    loss_count: int = 0
    since_save_sum: float = 0.0  # since the last comparison with the best network
    since_save_count: int = 0
    best: float | None = None
    best_validated: bool = False
    precision: dict[str, Any] = field(default_factory=dict)  # gradient scale in half precision
    planned_at: int = 0  # under a time limit; see `TrainingLength`
    progress_then: float | None = None

    def count(self, loss: float) -> None:
        """Count an update and its loss."""
        self.update += 1
        self.loss_sum += loss
        self.loss_count += 1
        self.since_save_sum += loss
        self.since_save_count += 1

    def take_mean_loss(self) -> float | None:
        """Return the mean loss since the last row of the history, and reset it; None without an update."""
        mean = self.loss_sum / self.loss_count if self.loss_count else None
        self.loss_sum, self.loss_count = 0.0, 0
        return mean

    def is_best(self, validated: Mapping[str, float], quality: Callable[[float], float]) -> bool:
        """Return whether the network is the best so far, by validation or else by the loss."""
        mean_loss = self.since_save_sum / self.since_save_count
        self.since_save_sum, self.since_save_count = 0.0, 0
        score = next(iter(validated.values()), quality(mean_loss))
        comparable = bool(validated) or not self.best_validated  # a time limit may have ended validation
        if self.best is not None and not (comparable and score > self.best):
            return False
        self.best, self.best_validated = score, bool(validated)
        return True
