"""What a training will need, before it starts; and what would fit where it did not."""

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
from cmr_ssp.training import MemoryNeed, memory_need, there_and_back

_TIMED = 8  # slices
_CAUTION = 0.9  # of the free memory: the estimate is one


def estimate_memory(recipe: Recipe, device: torch.device) -> MemoryNeed:
    """Return what training by a recipe needs of a device's memory.

    A few slices go through a network like the one that is to be trained, where it is to be trained; the
    random state stays as it is. The slice bank is not counted: the system drops its pages where memory is
    short.
    """
    precision = choose_precision(recipe.precision, device)
    with torch.random.fork_rng():
        objective = _objective(recipe, device)
        network = objective.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return memory_need(network.train(), objective.inputs, recipe.optimiser, device, precision)


def estimate_seconds(recipe: Recipe, device: torch.device, updates: int) -> float:
    """Return about how long so many updates take, from a few slices that go both ways through the network.

    Views, optimiser and validations are not in it; with this computer's present load, they hardly count.
    """
    precision = choose_precision(recipe.precision, device)
    with torch.random.fork_rng():
        objective = _objective(recipe, device)
        network = objective.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        there_and_back(network.train(), objective.inputs(_TIMED), device, precision)  # kernels are chosen
        seconds = there_and_back(network, objective.inputs(_TIMED), device, precision)
    return seconds / _TIMED * recipe.batch_size * updates


def _objective(recipe: Recipe, device: torch.device) -> PretrainObjective[Any] | SegmentationObjective:
    nothing = np.empty(0, dtype=np.int64)
    if isinstance(recipe, SegmentationRecipe):
        return SegmentationObjective(empty_bank(), nothing, (), recipe, device)
    assert isinstance(recipe, PretrainRecipe)
    return make_objective(empty_bank(), nothing, nothing, recipe, device)


def at_once(recipe: Recipe) -> int:
    """Return how many slices are looked at in one go."""
    return recipe.micro_batch or recipe.batch_size


def may_not_fit(recipe: Recipe, need: MemoryNeed, device: torch.device) -> Problem | None:
    """Return a warning where a recipe seems to need more memory than is free."""
    free, needed = free_memory(device), need.of(at_once(recipe))
    if free is None or needed <= free:
        return None
    what = f"the run may need {_size(needed)} of memory, {_size(free)} are free"
    setting = what_fits(recipe, need, free)
    return Problem(str(device), what, _remedy(setting, device), Severity.WARNING, setting)


def out_of_memory(recipe: Recipe, need: MemoryNeed | None, device: torch.device) -> DeviceError:
    """Return the error of a recipe that did not fit, with the setting that should."""
    setting = what_fits(recipe, need, free_memory(device))
    what = f"the device has too little of it for {at_once(recipe)} slices at once"
    return DeviceError(Problem("memory", what, _remedy(setting, device), suggestion=setting))


def what_fits(recipe: Recipe, need: MemoryNeed | None, free_bytes: int | None) -> Mapping[str, int]:
    """Return the settings with which a recipe should fit a memory that it did not fit; empty if none do.

    Micro-batches where they change nothing but the speed, the batch where the loss compares a whole batch.
    At most half of what did not fit: an estimate that had it fit was wrong.
    """
    most = at_once(recipe) // 2
    if need is not None and free_bytes is not None:
        most = min(most, need.most_slices(int(_CAUTION * free_bytes)))
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
