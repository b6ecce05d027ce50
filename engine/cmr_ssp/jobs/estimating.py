"""Estimate memory and time of a training, and recipe settings that fit into the memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from cmr_ssp.devices import choose_precision, free_memory
from cmr_ssp.errors import DeviceError, Problem, Severity
from cmr_ssp.finetuning import SegmentationObjective
from cmr_ssp.methods.objective import PretrainObjective, make_objective
from cmr_ssp.recipes import PretrainRecipe, Recipe, SegmentationRecipe
from cmr_ssp.samples.bank.slices import empty_bank
from cmr_ssp.training import MemoryNeed, memory_need, time_training_pass

_TIMED = 8  # slices
_SAFE_SHARE = 0.9  # of the free memory, since the need is only estimated


def estimate_memory(recipe: Recipe, device: torch.device) -> MemoryNeed:
    """Estimate the memory that training needs on a device.

    Runs a few slices through a network of the same architecture; the random state is unchanged. The slice
    bank is not counted: the system drops memory-mapped pages if memory is short.
    """
    precision = choose_precision(recipe.precision, device)
    with torch.random.fork_rng():
        objective = _objective(recipe, device)
        network = objective.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return memory_need(network.train(), objective.inputs, recipe.optimiser, device, precision)


def estimate_seconds(recipe: Recipe, device: torch.device, updates: int) -> float:
    """Estimate the time of `updates` updates from a forward and a backward pass of a few slices.

    Views, optimiser steps and validation are not included; they take little time in comparison.
    """
    precision = choose_precision(recipe.precision, device)
    with torch.random.fork_rng():
        objective = _objective(recipe, device)
        network = objective.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        time_training_pass(network.train(), objective.inputs(_TIMED), device, precision)  # warm-up
        seconds = time_training_pass(network, objective.inputs(_TIMED), device, precision)
    return seconds / _TIMED * recipe.batch_size * updates


def _objective(recipe: Recipe, device: torch.device) -> PretrainObjective[Any] | SegmentationObjective:
    nothing = np.empty(0, dtype=np.int64)
    if isinstance(recipe, PretrainRecipe):
        return make_objective(empty_bank(), nothing, nothing, recipe, device)
    if isinstance(recipe, SegmentationRecipe):
        return SegmentationObjective(empty_bank(), nothing, (), recipe, device)
    raise TypeError(f"{type(recipe).__name__} has no objective")


def micro_batch_size(recipe: Recipe) -> int:
    """Return the number of slices per forward pass."""
    return recipe.micro_batch or recipe.batch_size


def memory_warning(recipe: Recipe, need: MemoryNeed, device: torch.device) -> Problem | None:
    """Return a warning if a recipe may need more memory than is free."""
    free, needed = free_memory(device), need.of(micro_batch_size(recipe))
    if free is None or needed <= free:
        return None
    what = f"the run may need {_size(needed)} of memory, {_size(free)} are free"
    setting = fitting_settings(recipe, need, free)
    return Problem(str(device), what, _remedy(setting, device), Severity.WARNING, setting)


def out_of_memory_error(recipe: Recipe, need: MemoryNeed | None, device: torch.device) -> DeviceError:
    """Return the error for a recipe that ran out of memory, with settings that should fit."""
    setting = fitting_settings(recipe, need, free_memory(device))
    what = f"the device has too little memory for {micro_batch_size(recipe)} slices at once"
    return DeviceError(Problem("memory", what, _remedy(setting, device), suggestion=setting))


def fitting_settings(recipe: Recipe, need: MemoryNeed | None, free_bytes: int | None) -> Mapping[str, int]:
    """Return recipe settings that should fit into the memory; empty if there are none.

    Reduces the micro-batch, which changes only the speed, or the batch if the loss compares a whole batch.
    The result is at most half of the size that did not fit, whatever the estimate says.
    """
    most = micro_batch_size(recipe) // 2
    if need is not None and free_bytes is not None:
        most = min(most, need.most_slices(int(_SAFE_SHARE * free_bytes)))
    keys = ["micro_batch"]
    if recipe.compares_batch:
        keys = ["batch_size"] if recipe.micro_batch is None else ["batch_size", "micro_batch"]
    sizes = (size for size in range(most, 0, -1) if recipe.batch_size % size == 0)
    return next((s for s in (dict.fromkeys(keys, size) for size in sizes) if _is_valid(recipe, s)), {})


def _is_valid(recipe: Recipe, changes: Mapping[str, int]) -> bool:
    try:
        type(recipe).model_validate(recipe.model_dump() | dict(changes))
    except ValidationError:
        return False
    return True


def _remedy(setting: Mapping[str, int], device: torch.device) -> str:
    smaller = "" if device.type == "cpu" else ", or --device cpu"
    if not setting:
        return f"Use a smaller preset{smaller}."
    words = " ".join(f"--set {key}={value}" for key, value in setting.items())
    return f"Start a run with {words}, which should fit, or with a smaller preset{smaller}."


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB"
