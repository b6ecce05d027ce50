"""Self-supervised pretraining: one module a method, all filling the slots of `PretrainObjective`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_ssp.pretraining.dino import DinoObjective
from cmr_ssp.pretraining.mim import MimObjective, masked_mse
from cmr_ssp.pretraining.objective import PretrainObjective
from cmr_ssp.pretraining.pcl import PclObjective
from cmr_ssp.pretraining.simclr import SimclrObjective
from cmr_ssp.recipes import PretrainRecipe
from cmr_ssp.samples.bank.slices import SliceBank

METHODS: dict[str, type[PretrainObjective[Any]]] = {
    "simclr": SimclrObjective,
    "pcl": PclObjective,
    "dino": DinoObjective,
    "mim": MimObjective,
}
"""By the recipe's method."""

__all__ = [
    "METHODS",
    "DinoObjective",
    "MimObjective",
    "PclObjective",
    "PretrainObjective",
    "SimclrObjective",
    "make_objective",
    "masked_mse",
]


def make_objective(
    bank: SliceBank,
    samples: NDArray[np.int64],
    validation_samples: NDArray[np.int64],
    recipe: PretrainRecipe,
    device: torch.device,
) -> PretrainObjective[Any]:
    """Return the objective of a recipe's method; see `PretrainObjective` for the parameters."""
    return METHODS[recipe.method](bank, samples, validation_samples, recipe, device)
