"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math
from typing import Any

from torch import nn, optim

from cmr_ssp.recipes import Optimiser, Schedule


def make_optimiser(network: nn.Module, settings: Optimiser) -> optim.Optimizer:
    """Create the optimiser for all parameters of a network."""
    groups = _groups(network, settings)
    if settings.name == "adamw":
        return optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return optim.SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )


def _groups(network: nn.Module, settings: Optimiser) -> list[dict[str, Any]]:
    """Return the parameter groups; one-dimensional parameters (biases, norms) have no weight decay."""
    if settings.decay_all:
        return [{"params": list(network.parameters())}]
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": decayed}, {"params": others, "weight_decay": 0.0}]


def learning_rate(settings: Schedule, peak: float, progress: float) -> float:
    """Return the learning rate at a given progress of the training.

    Parameters
    ----------
    settings : Schedule
        Shape of the schedule.
    peak : float
        The recipe's learning rate.
    progress : float
        0 at the first update, less than 1 at the last.
    """
    if progress < settings.warmup:
        # Not zero, so that the first update has an effect.
        return peak * max(progress / settings.warmup, 0.01)
    falling = (progress - settings.warmup) / (1 - settings.warmup) if settings.warmup < 1 else 0.0
    if settings.name == "cosine":
        return settings.lowest + (peak - settings.lowest) * 0.5 * (1 + math.cos(math.pi * falling))
    if settings.name == "polynomial":
        return float(peak * (1 - falling) ** settings.power)
    return peak
