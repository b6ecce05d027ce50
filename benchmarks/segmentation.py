"""Slices of a cine segmented a second: ours against one at a time in single precision on the full field.

One cine of 10 slices and 25 frames (216 x 256 pixels of 1.4 mm), the same network, recipe settings (flips,
second look around what was found, largest pieces) and number of threads for both:

* ours: `segment_stack`, which looks at the recipe's crop around the moving heart, many slices at a time,
  channels last, in bfloat16 where the processor computes in it, batch norms folded into the convolutions;
* the peer: every slice alone, resampled to the recipe's spacing on 256 x 256 pixels around the middle of the
  image, float32, its logits interpolated back onto the whole slice.

Both standardise the cine first. Random weights serve for the speed. The Dice on phantoms comes from a run:
one named with ``--run``, or one that is trained here for about a minute on other phantoms. There a third way,
one at a time in float32 on our crop, tells what is lost by the arithmetic alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from cmr_ssp.anatomy import BACKGROUND, N_CLASSES, Phase
from cmr_ssp.evaluation import SubjectRole, mean_dice, score_segmentation
from cmr_ssp.files import open_cohort, open_stack, read_segmentation
from cmr_ssp.jobs import JobSettings, finetune
from cmr_ssp.networks import UNet, fold_norms
from cmr_ssp.phantoms import write_phantom_cohort
from cmr_ssp.prediction import Segmenter, load_segmenter, segment_stack
from cmr_ssp.prediction.batches import slice_batches
from cmr_ssp.prediction.segment import _box_centre, _largest_components
from cmr_ssp.recipes import Crop, SegmentationRecipe, load_recipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.heart import find_heart
from cmr_ssp.samples.resampling import SliceBatch, crop_to_slice, no_placement, resample
from cmr_ssp.samples.standardise import standardise
from cmr_ssp.subjects import Role, Split
from common import SPACING_MM, Size, by_turns, rate, verdict, write_cines
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

TARGET, TARGET_DICE = 3.0, 0.005
CPU = torch.device("cpu")
FIELD_PX = 256
FULL_FIELD = "one by one, full field, float32"
PRESETS = "scratch/cpu-small", "scratch/paper"
TRAINED, SCORED = 8, 8  # phantom subjects
InPlane = tuple[float, float]
Labels = NDArray[np.uint8]
Contestant = Callable[[NDArray[np.float32], InPlane, Sequence[int]], Labels]


@dataclass(frozen=True)
class Ours:
    """The package's path."""

    segmenter: Segmenter

    def __call__(self, pixels: NDArray[np.float32], spacing_mm: InPlane, frames: Sequence[int]) -> Labels:
        network, recipe = self.segmenter.network, self.segmenter.recipe
        return segment_stack(network, pixels, spacing_mm, recipe, frames).labels


class OneByOne:
    """One slice at a time, single precision, on the whole field or on a crop."""

    def __init__(self, segmenter: Segmenter, crop: Crop | None = None) -> None:
        self._network = deepcopy(segmenter.network).to(memory_format=torch.contiguous_format)
        self._settings = segmenter.recipe.prediction
        spacing_mm = segmenter.recipe.crop.spacing_mm
        self._field = crop or Crop(size_px=FIELD_PX, spacing_mm=spacing_mm, centre="image")

    def __call__(self, pixels: NDArray[np.float32], spacing_mm: InPlane, frames: Sequence[int]) -> Labels:
        cine = standardise(pixels)
        levels = cine.levels[list(frames)]
        rows, columns = levels.shape[2:]
        heart = find_heart(cine.levels, spacing_mm) if self._field.centre == "motion" else None
        centre = (heart.row, heart.column) if heart else ((rows - 1) / 2, (columns - 1) / 2)
        if self._settings.recentre:
            glance = self._segmented(levels, cine.mean, spacing_mm, centre, flips=False)
            centre = _box_centre(glance) if glance.any() else centre
        found = self._segmented(levels, cine.mean, spacing_mm, centre, flips=self._settings.flips)
        found = found.reshape(levels.shape)
        labels = np.zeros((len(levels), *pixels.shape[1:]), np.uint8)
        inner = np.s_[:, :, cine.top : cine.top + rows, cine.left : cine.left + columns]
        if self._settings.largest_component:
            found = np.stack([_largest_components(frame) for frame in found])
        labels[inner] = found
        return labels

    @torch.inference_mode()
    def _segmented(
        self,
        levels: NDArray[np.float32],
        mean: float,
        spacing_mm: InPlane,
        centre: InPlane,
        *,
        flips: bool,
    ) -> Labels:
        flat = levels.reshape(-1, *levels.shape[2:])
        axes: list[tuple[int, ...]] = [(), (2,), (3,), (2, 3)] if flips else [()]
        found = []
        for place in range(len(flat)):
            (batch,) = slice_batches(flat[place : place + 1], mean, spacing_mm, centre, self._field, CPU)
            image, _ = resample(batch, no_placement(1), self._field)
            logits = sum(self._network(image.flip(axis)).flip(axis) for axis in axes)
            found.append(self._back(logits, batch, flat.shape[1:]))
        return np.stack(found)

    def _back(self, logits: Tensor, batch: SliceBatch, shape: tuple[int, ...]) -> Labels:
        """Interpolate onto the whole slice, then choose."""
        matrix, offset = crop_to_slice(batch, no_placement(1), self._field)
        sides = [torch.arange(n, dtype=torch.float32) for n in shape]
        places = torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1)
        crop_px = (places - offset[0]) @ torch.linalg.inv(matrix[0]).T
        grid = (2 / self._field.size_px * crop_px).flip(-1)[None]
        values = functional.grid_sample(
            logits, grid, mode="bicubic", padding_mode="border", align_corners=False
        )
        inside = (grid[0].abs() <= 1).all(dim=-1)
        return torch.where(inside, values.argmax(dim=1)[0], BACKGROUND).to(torch.uint8).numpy()


def untrained(preset: str) -> Segmenter:
    """Return a preset's network with random weights."""
    recipe = load_recipe(preset, kind=SegmentationRecipe)
    torch.manual_seed(0)
    network = UNet(recipe.network.channels, N_CLASSES, deep_supervision=recipe.loss.deep_supervision)
    return Segmenter(network.eval(), recipe, Provenance())


def compare_speed(preset: str, cine: NDArray[np.float32], frames: int, rounds: int) -> None:
    """Print rates and their ratio."""
    segmenter = untrained(preset)
    loaded = fold_norms(segmenter.network)  # as `load_segmenter` returns it
    loaded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    contestants = {"ours": Ours(replace(segmenter, network=loaded)), FULL_FIELD: OneByOne(segmenter)}

    def segmenting(contestant: Contestant) -> Callable[[], object]:
        return lambda: contestant(cine, SPACING_MM, range(frames))

    for contestant in contestants.values():
        contestant(cine, SPACING_MM, [0])  # plans and memory
    seconds = by_turns([segmenting(contestant) for contestant in contestants.values()], rounds)
    rates = [rate(frames * cine.shape[1], taken) for taken in seconds]
    for name, each in zip(contestants, rates, strict=True):
        print(f"{preset}, {name}: {each:.1f} slices/s", flush=True)
    verdict(f"{preset}, ours over one by one", rates[0] / rates[1], TARGET)


def trained(folder: Path, quick: bool) -> Run:
    """Train the demo's network from scratch on phantoms."""
    write_phantom_cohort(folder / "training", TRAINED, seed=1, workers=os.cpu_count() or 1)
    cohort = open_cohort(folder / "training")
    recipe = load_recipe("scratch/demo", kind=SegmentationRecipe)
    run = Run(folder / "run")
    finetune(
        cohort,
        recipe.model_copy(update={"updates": 100}) if quick else recipe,
        run,
        split=Split(dict.fromkeys((subject.id for subject in cohort.subjects), Role.TRAIN)),
        settings=JobSettings("cpu", bank_folder=folder / "banks"),
    )
    return run


def compare_dice(run: Run, folder: Path, n_subjects: int) -> None:
    """Print the mean Dice on phantoms, and what ours loses."""
    write_phantom_cohort(folder / "scored", n_subjects, seed=2, workers=os.cpu_count() or 1)
    segmenter = load_segmenter(run.last, CPU)
    contestants = {
        "ours": Ours(segmenter),
        FULL_FIELD: OneByOne(segmenter),
        "one by one, our crop, float32": OneByOne(segmenter, segmenter.recipe.crop),
    }
    means = []
    for name, contestant in contestants.items():
        means.append(float(np.mean(list(dices(contestant, folder / "scored")))))
        print(f"Dice on {n_subjects} phantom subjects, {name}: {means[-1]:.4f}", flush=True)
    verdict("Dice lost by ours to the better", max(means[1:]) - means[0], TARGET_DICE, at_most=True)


def dices(contestant: Contestant, folder: Path) -> Iterator[float]:
    """Yield the mean over structures of every labelled phase."""
    for subject in open_cohort(folder).subjects:
        stack = open_stack(subject)
        references = [read_segmentation(subject, phase) for phase in Phase]
        frames = [reference.frame for reference in references]
        found = contestant(stack.load(), stack.grid.spacing_mm[1:], frames)
        for labels, reference, phase in zip(found, references, Phase, strict=True):
            scores = score_segmentation(labels, reference, subject.id, phase, SubjectRole.TEST)
            yield mean_dice(scores) or 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few frames; the figures are rough")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, for each side")
    parser.add_argument("--run", type=Path, help="folder of a run that segments, for the Dice")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cines(folder / "cine", Size(subjects=1, frames=25, slices=10))
        cine = open_stack(open_cohort(folder / "cine").subjects[0]).load()
        for preset in PRESETS:
            frames, rounds = (3, 1) if chosen.quick else (len(cine), chosen.rounds)
            compare_speed(preset, cine, frames, rounds)
        run = Run(chosen.run) if chosen.run else trained(folder, chosen.quick)
        torch.set_num_threads(chosen.threads)  # training set its own
        compare_dice(run, folder, 2 if chosen.quick else SCORED)


if __name__ == "__main__":
    main()
