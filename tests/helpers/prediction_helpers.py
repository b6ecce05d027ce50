"""A network whose answer is known, and the recipe that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from cmr_ssp.recipes import SegmentationRecipe
from torch import Tensor, nn


def recipe(size_px: int = 64, spacing_mm: float = 1.0, centre: str = "motion", **prediction: bool) -> Any:
    return SegmentationRecipe.model_validate(
        {
            "method": "scratch",
            "updates": 1,
            "network": {"channels": (2, 4)},
            "crop": {"size_px": size_px, "spacing_mm": spacing_mm, "centre": centre},
            "prediction": prediction,
        }
    )


class Fake(nn.Module):
    """Computes logits (batch, 4, row, column) by a function, and remembers in which mode it was called."""

    def __init__(self, logits: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.somewhere = nn.Parameter(torch.zeros(1))  # tells the device
        self.logits = logits
        self.modes: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.modes.append(self.training)
        return self.logits(images)
