"""Fit a recipe to the minutes that somebody has."""

from __future__ import annotations

import copy
import statistics
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lightning_fabric import Fabric


from cmr_ssp.events import Cancel, Cancelled
from cmr_ssp.recipes import Recipe
from cmr_ssp.training.order import TrainingLength
from cmr_ssp.training.stepper import Objective, Stepper

_R = TypeVar("_R", bound=Recipe)

_WARM_UP_STEPS = 3  # memory and kernels settle
_TIMED_STEPS = 7
_RESERVE = 0.05  # checkpoints and history are not in the step time


def fit_updates(
    objective: Objective, recipe: _R, seconds: float, fabric: Fabric, cancel: Cancel | None = None
) -> _R:
    """Return the recipe with as many updates as fit into `seconds`, from the measured step time.

    The schedule follows, as it depends on progress only. The network is left as it was.

    Raises
    ------
    Cancelled
        Where somebody asked to stop in the meantime.
    """
    cancel = cancel or Cancel()
    before = copy.deepcopy(objective.network.state_dict())
    started = time.perf_counter()
    steps = _WARM_UP_STEPS + _TIMED_STEPS
    trial = recipe.model_copy(update={"updates": steps, "epochs": None})  # the recipe's own may be fewer
    stepper = Stepper(objective, trial, TrainingLength.of(trial, len(objective.samples)), fabric)
    times = []
    for update in range(steps):
        begin = time.perf_counter()
        loss = stepper.step(update, cancel)
        if loss is None:
            raise Cancelled
        float(loss)  # waits for the device
        times.append(time.perf_counter() - begin)
        late = time.perf_counter() - started > seconds / 4 and len(times) > 1
        if stepper.processes.agree(late):
            break
    objective.network.load_state_dict(before)
    left = seconds * (1 - _RESERVE) - (time.perf_counter() - started)
    updates = max(1, int(left / statistics.median(times[-_TIMED_STEPS:])))
    updates = stepper.processes.from_first(updates)
    return recipe.model_copy(update={"updates": updates, "epochs": None})
