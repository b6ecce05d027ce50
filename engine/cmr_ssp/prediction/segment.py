"""Segment every frame of a cine, back in the image's own voxel grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from cmr_ssp.anatomy import BACKGROUND, Structure
from cmr_ssp.devices import autocast
from cmr_ssp.events import Progress, ignore_progress
from cmr_ssp.prediction.batches import InPlane, Slices, crop_centre, slice_batches
from cmr_ssp.recipes import Crop, SegmentationRecipe
from cmr_ssp.samples.heart import find_heart
from cmr_ssp.samples.resampling import SliceBatch, crop_to_slice, no_placement, resample
from cmr_ssp.samples.standardise import standardise_frames
from cmr_ssp.subjects import Frames

_LOOKS = 4
"""Frames that the first look goes to: the heart beats around its centre, so more tell no more."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedStack:
    """What `segment_stack` found.

    Attributes
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    heart_sure : bool
        False where motion did not tell where the heart is, as in a single frame.
    """

    labels: NDArray[np.uint8]
    heart_sure: bool


def segment_stack(
    network: nn.Module,
    pixels: Frames,
    spacing_mm: InPlane,
    recipe: SegmentationRecipe,
    frames: Sequence[int] | None = None,
    on_progress: Progress = ignore_progress,
) -> SegmentedStack:
    """Segment a stack as read from its file.

    Parameters
    ----------
    network : nn.Module
        Its first output has a channel for the background and each structure.
    pixels : ndarray or Frames, shape (frame, slice, row, column)
        The whole cine: intensities and the heart's place depend on all frames. Frames are gone through
        several times, and a few held at once.
    spacing_mm : tuple of float
        Distance between rows and between columns.
    recipe : SegmentationRecipe
        Crop and prediction settings.
    frames : sequence of int, optional
        The frames to segment, all unless given.
    on_progress : callable, optional
        Called with the number of slices done and of all, after each batch; what it raises ends the work.
    """
    levels = standardise_frames(pixels)
    heart = find_heart(levels, spacing_mm)
    centre = (heart.row, heart.column)
    chosen = range(pixels.shape[0]) if frames is None else frames
    labels = np.zeros((len(chosen), *pixels.shape[1:]), dtype=np.uint8)
    inside = labels[:, :, levels.rows, levels.columns]
    segment_cine(network, levels, levels.mean, spacing_mm, centre, recipe, chosen, on_progress, labels=inside)
    return SegmentedStack(labels, heart.sure)


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
) -> NDArray[np.uint8]:
    """Segment chosen frames of a cine as a slice bank holds it; see `segment_stack`.

    `labels` is where they are left and returned from, shape (chosen frame, slice, row, column).

    A frame's labels do not depend on which others are asked for: a first look that finds the centre is taken
    at the same few frames of the whole cine every time.
    """
    crop, settings = recipe.crop, recipe.prediction
    centre = crop_centre(levels.shape, heart_px, crop)
    chosen = list(range(levels.shape[0]) if frames is None else frames)
    looks = _spread(levels.shape[0]) if settings.recentre else []
    n_slices, device = levels.shape[1], next(network.parameters()).device
    total = n_slices * (len(looks) + len(chosen))

    def segmented(
        frames: list[int], begin: int, into: NDArray[np.uint8] | None, *, flips: bool
    ) -> NDArray[np.uint8]:
        slices = Slices(levels, frames)
        batches = slice_batches(slices, mean, spacing_mm, centre, crop, device)
        labels = np.empty((len(frames), *levels.shape[1:]), np.uint8) if into is None else into
        done = 0
        for part in _segment(network, batches, crop, flips=flips):
            for image in part:
                labels[slices.place(done)] = image
                done += 1
            on_progress(begin + done, total)
        return labels

    was_training = network.training
    network.eval()
    try:
        if looks:
            glance = segmented(looks, 0, None, flips=False)
            centre = _middle(glance) if glance.any() else centre
        labels = segmented(chosen, n_slices * len(looks), labels, flips=settings.flips)
    finally:
        network.train(was_training)
    for frame in labels if settings.largest_component else ():
        frame[...] = _largest_components(frame)
    return labels


def _spread(n_frames: int) -> list[int]:
    """Return a few frames spread over the beat."""
    return sorted({round(t) for t in np.linspace(0, n_frames, _LOOKS, endpoint=False)} & set(range(n_frames)))


def _segment(
    network: nn.Module, batches: Iterable[SliceBatch], crop: Crop, *, flips: bool
) -> Iterator[NDArray[np.uint8]]:
    """Yield the labels (slice, row, column) of batches whose slices share a centre."""
    for batch in batches:
        with torch.inference_mode():
            placement = no_placement(len(batch.levels))
            images, _ = resample(batch, placement, crop)
            logits = _logits(network, images, flips=flips)
            matrix, offset = crop_to_slice(batch, placement, crop)
            labels = _back(logits, matrix, offset, batch.levels.shape[2:])
        yield labels.cpu().numpy()


def _logits(network: nn.Module, images: Tensor, *, flips: bool) -> Tensor:
    """Return the full-resolution output (slice, class, row, column), averaged over flips if wanted."""
    images = images.contiguous(memory_format=torch.channels_last)
    axes: list[tuple[int, ...]] = [(), (2,), (3,), (2, 3)] if flips else [()]
    with autocast(images.device):
        outputs = [network(images.flip(axis)).float().flip(axis) for axis in axes]
    return torch.stack(outputs).mean(dim=0)


def _back(logits: Tensor, matrix: Tensor, offset: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the labels (slice, row, column) on the slice's own grid; background outside the crop.

    Logits are interpolated (bicubic) before the largest is chosen, as the authors do. Slices of a stack share
    a crop that is not turned, so rows and columns are interpolated one after the other.
    """
    labels = torch.full((len(logits), *shape), BACKGROUND, dtype=torch.uint8, device=logits.device)
    size = logits.shape[-1]
    (rows, down), (columns, across) = (
        _covered(n, float(matrix[0, axis, axis]), float(offset[0, axis]), size, logits.device)
        for axis, n in enumerate(shape)
    )
    values = (down @ logits @ across.T).movedim(1, -1).contiguous()  # argmax is slow across strides
    labels[:, rows[:, None], columns] = values.argmax(dim=-1).to(torch.uint8)
    return labels


def _covered(n: int, step: float, middle: float, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which of `n` pixels along an axis the crop covers, and their weights (pixel, crop pixel)."""
    places = 2 * (torch.arange(n, device=device) - middle) / (step * size)
    grid = torch.stack((torch.zeros_like(places), places), dim=-1)[None, :, None]
    # Each crop pixel in a channel of its own: what is sampled are the weights.
    pixels = torch.eye(size, device=device)[None, :, :, None]
    weights = functional.grid_sample(
        pixels, grid, mode="bicubic", padding_mode="border", align_corners=False
    )[0, :, :, 0]
    inside = (places.abs() <= 1).nonzero()[:, 0]
    return inside, weights.T[inside]


def _middle(labels: NDArray[np.uint8]) -> InPlane:
    """Return the middle of the box around everything that more than a few slices agree on."""
    foreground = (labels != BACKGROUND).reshape(-1, *labels.shape[-2:]).sum(axis=0)
    rows, columns = np.nonzero(foreground > 0.1 * foreground.max())
    return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2


def _largest_components(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the largest connected piece of each structure in one frame, shape (slice, row, column)."""
    kept = np.zeros_like(labels)
    neighbours = ndimage.generate_binary_structure(3, 3)  # diagonal too: breath-holds shift slices
    for structure in Structure:
        here = labels == structure
        pieces, n = ndimage.label(here, structure=neighbours)
        if n > 1:
            here = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
        kept[here] = structure
    return kept
