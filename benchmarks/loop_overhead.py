"""What the training loop costs over a bare forward-backward-step of the same network on the same batches.

`train` runs a shipped preset with everything it does (events, cancel, schedule, history rows at the end
of every epoch, finiteness of the loss, checkpoints), its batches made beforehand. After each update the
bare step runs once, so that other load on the machine meets both. The figure is the median over epochs of
loop over bare time, plus the time of a checkpoint spread over the updates between two of them; validation
is left out, as it is work that the recipe asks for.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from cmr_ssp.anatomy import N_CLASSES, Structure
from cmr_ssp.devices import autocast, choose_precision, make_fabric
from cmr_ssp.events import Cancel, Event, UpdateFinished
from cmr_ssp.finetuning import SegmentationCriterion
from cmr_ssp.networks import UNet
from cmr_ssp.recipes import SegmentationRecipe, load_recipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.views import Views
from cmr_ssp.training import Objective, train
from cmr_ssp.training.optimiser import make_optimiser
from common import verdict
from numpy.typing import NDArray
from torch import Tensor, nn

TARGET = 0.05
CPU = torch.device("cpu")
LABELLED_SLICES = 100  # about five subjects at two phases
WARM_UP = 3


def network(recipe: SegmentationRecipe) -> nn.Module:
    """Return the preset's network, the same every time."""
    torch.manual_seed(0)
    unet = UNet(recipe.network.channels, N_CLASSES, deep_supervision=recipe.loss.deep_supervision)
    return unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def ready_made(recipe: SegmentationRecipe) -> Views:
    """Return one batch."""
    size, n = recipe.crop.size_px, recipe.batch_size
    images = torch.randn(n, 1, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, N_CLASSES, (n, size // 8, size // 8), dtype=torch.uint8)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return Views(images, labels, torch.ones(n, len(Structure), dtype=torch.bool))


class ReadyMade(Objective):
    """A segmentation objective whose batch lies ready."""

    def __init__(self, recipe: SegmentationRecipe, views: Views) -> None:
        self.network = network(recipe)
        self.samples: NDArray[np.int64] = np.arange(LABELLED_SLICES)
        self._criterion, self._views = SegmentationCriterion(recipe.loss), views

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        del samples, seed
        assert self._views.labels is not None
        return self._criterion(network(self._views.images), self._views.labels, self._views.drawn)


class Bare:
    """The same step with torch alone."""

    def __init__(self, recipe: SegmentationRecipe, views: Views) -> None:
        self._network, self._views = network(recipe), views
        self._criterion = SegmentationCriterion(recipe.loss)
        self._optimiser = make_optimiser(self._network, recipe.optimiser)
        self._clip = recipe.optimiser.max_gradient_norm
        self._half = choose_precision(recipe.precision, CPU) != "32-true"

    def __call__(self) -> None:
        views = self._views
        assert views.labels is not None
        with autocast(CPU) if self._half else torch.enable_grad():
            outputs = [output.float() for output in self._network(views.images)]
        self._criterion(outputs, views.labels, views.drawn).backward()
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)


class Stopwatch:
    """Listens to the loop and runs a bare step after each of its updates."""

    def __init__(self, bare: Bare) -> None:
        self._bare = bare
        self._resumed = time.perf_counter()
        self.loop_s: list[float] = []
        self.bare_s: list[float] = []

    def __call__(self, event: Event) -> None:
        if not isinstance(event, UpdateFinished):
            return
        arrived = time.perf_counter()
        self.loop_s.append(arrived - self._resumed)
        self._bare()
        self._resumed = time.perf_counter()
        self.bare_s.append(self._resumed - arrived)


def overhead(watch: Stopwatch, per_epoch: int, checkpoint_every: int) -> tuple[float, float]:
    """Return the cost of the loop and of its checkpoints, as fractions of the bare step."""
    *loop, last = watch.loop_s[WARM_UP:]
    bare = watch.bare_s[WARM_UP:]
    ratios = [
        sum(loop[start : start + per_epoch]) / sum(bare[start : start + per_epoch])
        for start in range(0, len(loop) - per_epoch + 1, per_epoch)
    ]
    checkpoint_s = max(last - statistics.median(loop), 0.0)
    return statistics.median(ratios) - 1, checkpoint_s / checkpoint_every / statistics.median(bare)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few updates; the ratio is rough")
    parser.add_argument("--preset", default="scratch/cpu-small")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=None)
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    recipe = load_recipe(chosen.preset, kind=SegmentationRecipe)
    per_epoch = max(1, LABELLED_SLICES // recipe.batch_size)
    updates = WARM_UP + per_epoch * (2 if chosen.quick else chosen.epochs) + 1
    short = recipe.model_copy(update={"updates": updates, "epochs": None})
    views = ready_made(recipe)
    watch = Stopwatch(Bare(recipe, views))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run")
        run.folder.mkdir()
        fabric = make_fabric(CPU, recipe.precision)
        train(ReadyMade(recipe, views), short, run, Provenance(), fabric, watch, Cancel())
    loop, checkpoints = overhead(watch, per_epoch, recipe.checkpoint_every)
    print(f"bare step: {statistics.median(watch.bare_s) * 1e3:.0f} ms")
    print(f"loop {100 * loop:+.1f} %, checkpoints {100 * checkpoints:+.1f} %")
    verdict("loop over bare, less one", loop + checkpoints, TARGET, at_most=True)


if __name__ == "__main__":
    main()
