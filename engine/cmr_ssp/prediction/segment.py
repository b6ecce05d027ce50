"""Segment frames of a cine on the image's own voxel grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cmr_ssp.anatomy import BACKGROUND, Structure
from cmr_ssp.devices import autocast
from cmr_ssp.events import Progress, ignore_progress
from cmr_ssp.prediction.batches import (
    InPlane,
    Place,
    Slices,
    batch_starts,
    crop_centre,
    slice_batches,
)
from cmr_ssp.recipes import Crop, SegmentationRecipe
from cmr_ssp.regions import largest_part
from cmr_ssp.samples.heart import find_heart
from cmr_ssp.samples.resampling import SliceBatch, crop_to_slice, no_placement, resample
from cmr_ssp.samples.standardise import standardise_frames
from cmr_ssp.subjects import Frames

_FIRST_PASS_FRAMES = 4
"""Frames of the first pass; the heart moves little around its centre, so more are not needed."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedStack:
    """Result of `segment_stack`.

    Attributes
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    heart_sure : bool
        False if the heart could not be located by its motion, as in a single frame.
    certainty : ndarray of float32, shape (frame, slice, structure, 2)
        How sure the network was of each structure: the sum of its probabilities over the pixels of the
        structure, and the sum of its probabilities and of these pixels over the crop. Twice the first over
        the second is the Dice that the network expects; sums of slices give that of a volume.
    """

    labels: NDArray[np.uint8]
    heart_sure: bool
    certainty: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Onlooker:
    """Someone who looks at a cine while it is segmented.

    Attributes
    ----------
    place : (int, int)
        The frame and slice at which they look: what is nearest is segmented first. The order changes no
        label.
    see : callable
        Called with frames that have new labels, and with the labels of all frames so far. Those of a frame
        may still lack slices, and are final once they are complete.
    """

    place: Place
    see: Callable[[Sequence[int], NDArray[np.uint8]], None]


def segment_stack(
    network: nn.Module,
    pixels: Frames,
    spacing_mm: InPlane,
    recipe: SegmentationRecipe,
    frames: Sequence[int] | None = None,
    on_progress: Progress = ignore_progress,
    onlooker: Onlooker | None = None,
) -> SegmentedStack:
    """Segment a stack as read from its file.

    Parameters
    ----------
    network : nn.Module
        Network whose first output has a channel for the background and each structure.
    pixels : ndarray or Frames, shape (frame, slice, row, column)
        The whole cine: standardisation and heart centre depend on all frames. `Frames` are read several
        times, a few at a time.
    spacing_mm : tuple of float
        Distance between rows and between columns.
    recipe : SegmentationRecipe
        Crop and prediction settings.
    frames : sequence of int, optional
        Frames to segment; by default all.
    on_progress : callable, optional
        Called after each batch with the numbers of finished slices and of all; may raise to stop.
    onlooker : Onlooker, optional
        Who sees labels as they come.
    """
    levels = standardise_frames(pixels)
    heart = find_heart(levels, spacing_mm)
    centre = (heart.row, heart.column)
    chosen = range(pixels.shape[0]) if frames is None else frames
    labels = np.zeros((len(chosen), *pixels.shape[1:]), dtype=np.uint8)
    inside = labels[:, :, levels.rows, levels.columns]
    certainty = np.zeros((*labels.shape[:2], len(Structure), 2), np.float32)
    if onlooker is not None:  # sees whole images
        see = onlooker.see
        onlooker = Onlooker(onlooker.place, lambda frames, _: see(frames, labels))
    segment_cine(
        network,
        levels,
        levels.mean,
        spacing_mm,
        centre,
        recipe,
        chosen,
        on_progress,
        labels=inside,
        certainty=certainty,
        onlooker=onlooker,
    )
    return SegmentedStack(labels, heart.sure, certainty)


def segment_cine(
    network: nn.Module,
    levels: Frames,
    mean: float,
    spacing_mm: InPlane,
    heart_px: InPlane,
    recipe: SegmentationRecipe,
    frames: Sequence[int] | None = None,
    on_progress: Progress = ignore_progress,
    *,
    labels: NDArray[np.uint8] | None = None,
    certainty: NDArray[np.float32] | None = None,
    onlooker: Onlooker | None = None,
) -> NDArray[np.uint8]:
    """Segment frames of a standardised cine; see `segment_stack`.

    `labels` is an optional output array, shape (frame in `frames`, slice, row, column), and so is `certainty`
    (see `SegmentedStack`).

    The labels of a frame do not depend on `frames`: the first pass, which centres the crop, always uses the
    same few frames of the cine.
    """
    crop, settings = recipe.crop, recipe.prediction
    centre = crop_centre(levels.shape, heart_px, crop)
    chosen = list(range(levels.shape[0]) if frames is None else frames)
    first_pass = _spread_frames(levels.shape[0]) if settings.recentre else []
    n_slices, device = levels.shape[1], next(network.parameters()).device
    total = n_slices * (len(first_pass) + len(chosen))
    labels = np.empty((len(chosen), *levels.shape[1:]), np.uint8) if labels is None else labels

    def segment(frames: list[int], begin: int, into: NDArray[np.uint8], *, final: bool) -> None:
        slices = Slices(levels, frames)
        near = onlooker.place if onlooker is not None and final else None
        starts = batch_starts(slices, crop, device, near)
        batches = slice_batches(slices, mean, spacing_mm, centre, crop, device, starts)
        missing, done = Counter(dict.fromkeys(range(len(frames)), n_slices)), 0
        flips, sure = final and settings.flips, certainty if final else None
        found = _segment(network, batches, crop, flips=flips, certainty=sure is not None)
        for start, (part, sums) in zip(starts, found, strict=True):
            changed = Counter(_fill(into, slices, start, part))
            if sure is not None:
                for number, each in enumerate(sums, start):
                    sure[slices.place(number)] = each
            missing -= changed
            for place in changed if final and settings.largest_component else ():
                if not missing[place]:
                    into[place] = _largest_components(into[place])
            done += len(part)
            on_progress(begin + done, total)
            if onlooker is not None and final:
                onlooker.see([frames[place] for place in changed], into)

    was_training = network.training
    network.eval()
    try:
        if first_pass:
            coarse = np.empty((len(first_pass), *levels.shape[1:]), np.uint8)
            segment(first_pass, 0, coarse, final=False)
            centre = _box_centre(coarse) if coarse.any() else centre
        segment(chosen, n_slices * len(first_pass), labels, final=True)
    finally:
        network.train(was_training)
    return labels


def _fill(labels: NDArray[np.uint8], slices: Slices, start: int, part: NDArray[np.uint8]) -> Iterator[int]:
    """Put the labels of a batch in their places, and yield the place of the frame of each slice."""
    for number, image in enumerate(part, start):
        place, slice_ = slices.place(number)
        labels[place, slice_] = image
        yield place


def _spread_frames(n_frames: int) -> list[int]:
    """Return a few frames, evenly spread over the cardiac cycle."""
    frames = np.linspace(0, n_frames, _FIRST_PASS_FRAMES, endpoint=False)
    return sorted({round(t) for t in frames} & set(range(n_frames)))


def _segment(
    network: nn.Module, batches: Iterable[SliceBatch], crop: Crop, *, flips: bool, certainty: bool
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield the labels (slice, row, column) of a batch, and if asked its certainty (slice, structure, 2)."""
    for batch in batches:
        with torch.inference_mode():
            placement = no_placement(len(batch.levels))
            images, _ = resample(batch, placement, crop)
            logits = _logits(network, images, flips=flips)
            matrix, offset = crop_to_slice(batch, placement, crop)
            labels = _to_slice_grid(logits, matrix, offset, batch.levels.shape[2:])
            sums = _certainty(logits) if certainty else torch.empty(0)
        yield labels.cpu().numpy(), sums.cpu().numpy()


def _logits(network: nn.Module, images: Tensor, *, flips: bool) -> Tensor:
    """Return the full-resolution output (slice, class, row, column), optionally averaged over flips."""
    images = images.contiguous(memory_format=torch.channels_last)
    axes: list[tuple[int, ...]] = [(), (2,), (3,), (2, 3)] if flips else [()]
    with autocast(images.device):
        outputs = [network(images.flip(axis)).float().flip(axis) for axis in axes]
    return torch.stack(outputs).mean(dim=0)


def _certainty(logits: Tensor) -> Tensor:
    """Return the certainty (slice, structure, 2) as in `SegmentedStack`, counted in pixels of the crop."""
    probabilities = logits.softmax(dim=1)
    best, chosen = probabilities.max(dim=1)
    sums = []
    for structure in Structure:  # one_hot would take four times as long
        here = chosen == structure
        overlap = (best * here).sum(dim=(1, 2))
        total = probabilities[:, structure].sum(dim=(1, 2)) + here.sum(dim=(1, 2))
        sums.append(torch.stack([overlap, total], dim=-1))
    return torch.stack(sums, dim=1)


def _to_slice_grid(logits: Tensor, matrix: Tensor, offset: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the labels (slice, row, column) on the slices' own grid; background outside the crop.

    Logits are interpolated (bicubic) before the argmax, as in the authors' code. All slices share a crop that
    is not rotated, so rows and columns are interpolated separately.
    """
    labels = torch.full((len(logits), *shape), BACKGROUND, dtype=torch.uint8, device=logits.device)
    size = logits.shape[-1]
    (rows, down), (columns, across) = (
        _interpolation(n, float(matrix[0, axis, axis]), float(offset[0, axis]), size, logits.device)
        for axis, n in enumerate(shape)
    )
    values = (down @ logits @ across.T).movedim(1, -1).contiguous()  # argmax is slow on strided memory
    labels[:, rows[:, None], columns] = values.argmax(dim=-1).to(torch.uint8)
    return labels


def _interpolation(
    n: int, step: float, middle: float, size: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the pixels along an axis that the crop covers, and their weights (pixel, crop pixel)."""
    places = 2 * (torch.arange(n, device=device) - middle) / (step * size)
    grid = torch.stack((torch.zeros_like(places), places), dim=-1)[None, :, None]
    # With one channel per crop pixel, the sampled values are the interpolation weights.
    pixels = torch.eye(size, device=device)[None, :, :, None]
    weights = functional.grid_sample(
        pixels, grid, mode="bicubic", padding_mode="border", align_corners=False
    )[0, :, :, 0]
    inside = (places.abs() <= 1).nonzero()[:, 0]
    return inside, weights.T[inside]


def _box_centre(labels: NDArray[np.uint8]) -> InPlane:
    """Return the centre of the bounding box of pixels that are foreground in more than a few slices."""
    foreground = (labels != BACKGROUND).reshape(-1, *labels.shape[-2:]).sum(axis=0)
    rows, columns = np.nonzero(foreground > 0.1 * foreground.max())
    return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2


def _largest_components(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the largest component of each structure in one frame, shape (slice, row, column)."""
    kept = np.zeros_like(labels)
    for structure in Structure:
        # With diagonals, since breath-holds shift slices.
        kept[largest_part(labels == structure, diagonals=True)] = structure
    return kept
