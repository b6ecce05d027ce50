"""Processor time of a training step of ``scratch/cpu-small``: as we run it against torch's defaults.

The defaults are the C library's handling of memory and transposed convolutions. What a process has freed
before changes how the library goes on, so each side runs in fresh processes, which take turns. Time is that
of the processor, with one thread, so that other work on the machine hardly counts.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from cmr_ssp.anatomy import N_CLASSES, Structure
from cmr_ssp.devices import autocast
from cmr_ssp.finetuning import SegmentationCriterion
from cmr_ssp.networks import UNet
from cmr_ssp.networks.unet import Upsampling
from cmr_ssp.recipes import SegmentationRecipe, load_recipe
from cmr_ssp.training.freed_memory import keeping_freed_memory
from cmr_ssp.training.optimiser import make_optimiser
from common import arguments, verdict
from torch import nn

TARGET = 1.5
SIDE = "CMR_SSP_BENCHMARK_SIDE"
CPU = torch.device("cpu")
WARM_UP, TIMED = 4, 16


def make_step(recipe: SegmentationRecipe, *, plain: bool) -> Callable[[], None]:
    """Return a function that takes one step on ready-made slices."""
    torch.manual_seed(0)
    network = UNet(recipe.network.channels, N_CLASSES, deep_supervision=True)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = make_optimiser(network, recipe.optimiser)
    if plain:
        Upsampling.forward = nn.ConvTranspose2d.forward  # type: ignore[assignment,method-assign]
    criterion, size = SegmentationCriterion(recipe.loss), recipe.crop.size_px
    images = torch.randn(recipe.batch_size, 1, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, N_CLASSES, (recipe.batch_size, size, size), dtype=torch.uint8)
    drawn = torch.ones(recipe.batch_size, len(Structure), dtype=torch.bool)

    def step() -> None:
        with autocast(CPU):
            outputs = [output.float() for output in network(images)]
        criterion(outputs, labels, drawn).backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.optimiser.max_gradient_norm or 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def measure(*, plain: bool) -> float:
    """Return the median seconds of a step in this process."""
    torch.set_num_threads(1)
    recipe = load_recipe("scratch/cpu-small", kind=SegmentationRecipe)
    step, times = make_step(recipe, plain=plain), []
    with nullcontext() if plain else keeping_freed_memory():
        for _ in range(WARM_UP + TIMED):
            started = time.thread_time()
            step()
            times.append(time.thread_time() - started)
    return statistics.median(times[WARM_UP:])


def in_a_fresh_process(side: str) -> float:
    done = subprocess.run(
        [sys.executable, __file__], env=os.environ | {SIDE: side}, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    if side := os.environ.get(SIDE):
        print(measure(plain=side == "plain"))
        return
    chosen = arguments(__doc__.splitlines()[0], rounds=4)
    ratios = []
    for _ in range(1 if chosen.quick else chosen.rounds):
        plain, ours = (in_a_fresh_process(side) for side in ("plain", "ours"))
        print(f"ours {ours * 1e3:.0f} ms, plain {plain * 1e3:.0f} ms", flush=True)
        ratios.append(plain / ours)
    verdict("training step, ours over torch's defaults", statistics.median(ratios), TARGET)


if __name__ == "__main__":
    main()
