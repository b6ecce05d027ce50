"""How much of a pretraining's time is the network's, for every method at its ``cpu-small`` preset.

The whole loop runs (events, history, checkpoints spread over the updates between two of them). What is spent
on making views, the slices' way from the bank included, is measured inside it, and so is what the loop does
around the step. Time is that of the thread, so that other work on the machine does not count; all torch work
is on it with ``--threads 1``. With more threads it is that of the clock.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cmr_ssp.methods.objective as objective_module
import numpy as np
import torch
from cmr_ssp.devices import choose_precision, make_fabric
from cmr_ssp.events import Cancel, Event, UpdateFinished
from cmr_ssp.files import open_cohort
from cmr_ssp.methods.objective import make_objective
from cmr_ssp.recipes import PretrainRecipe, load_recipe, method_names
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.views import Views, make_views
from cmr_ssp.training import train
from cmr_ssp.training.stepper import Stepper
from common import Size, arguments, verdict, write_cines
from torch import Tensor

TARGET = 0.95
CPU = torch.device("cpu")
WARM_UP = 3


class Watch:
    """Adds up the time of views and of whole steps, and of the loop from one update to the next."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.views_s = self.steps_s = 0.0
        self._ends: list[float] = []

    def making_views(self, *arguments: object, **more: object) -> Views:
        """Make views on the clock."""
        started = self._clock()
        views = make_views(*arguments, **more)  # type: ignore[arg-type]
        self.views_s += self._clock() - started
        return views

    def stepping(self, stepper: Stepper, update: int, cancel: Cancel) -> Tensor | None:
        """Take a step on the clock."""
        started = self._clock()
        loss = _STEP(stepper, update, cancel)
        self.steps_s += self._clock() - started
        return loss

    def listen(self, event: Event) -> None:
        """Note the end of each update; those that warm up are forgotten."""
        if isinstance(event, UpdateFinished):
            self._ends.append(self._clock())
            if event.update == WARM_UP:
                self.views_s = self.steps_s = 0.0

    def share(self, checkpoint_every: int) -> float:
        """Return the network's part of the loop's time: the steps without the views.

        The last update's checkpoints are spread over those between two of them.
        """
        ends = np.array(self._ends[WARM_UP - 1 :])
        *updates, last = np.diff(ends)
        usual = float(np.median(updates))
        whole = sum(updates) + usual + max(0.0, last - usual) * (len(updates) + 1) / checkpoint_every
        return (self.steps_s - self.views_s) / whole


_STEP = Stepper.step


def network_share(method: str, bank: SliceBank, updates: int, clock: Callable[[], float]) -> float:
    """Pretrain for a few updates."""
    settings = [f"updates={updates + WARM_UP}"]
    if method == "mim":  # reconstructions are work that the recipe asks for, as validations are
        settings.append("records_every=1000000")
    recipe = load_recipe(f"{method}/cpu-small", settings, kind=PretrainRecipe)
    torch.manual_seed(0)
    objective = make_objective(bank, bank.samples(), np.empty(0, np.int64), recipe, CPU)
    watch = Watch(clock)
    objective_module.make_views = watch.making_views  # type: ignore[attr-defined]
    Stepper.step = lambda stepper, update, cancel: watch.stepping(stepper, update, cancel)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        fabric = make_fabric(CPU, choose_precision(recipe.precision, CPU))
        train(objective, recipe, run, Provenance(), fabric, watch.listen, Cancel())
    return watch.share(recipe.checkpoint_every)


def main() -> None:
    chosen = arguments(__doc__.splitlines()[0], updates=40)
    clock = time.thread_time if chosen.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_cines(folder / "cohort", Size(subjects=4, frames=10, slices=10))
        bank = slice_bank(open_cohort(folder / "cohort").subjects, folder / "bank")
        for method in method_names():
            share = network_share(method, bank, 5 if chosen.quick else chosen.updates, clock)
            verdict(f"network's share of the time, {method}/cpu-small", share, TARGET)


if __name__ == "__main__":
    main()
