"""Gather slices of any size into a batch and resample them to crops in a single interpolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cmr_ssp.recipes import Augmentation, Crop
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.seeding import Draws


@dataclass(frozen=True, slots=True, eq=False)
class SliceBatch:
    """Slices on their own grids, padded to a common canvas.

    Attributes
    ----------
    levels : Tensor of float32, shape (batch, 1, row, column)
        0 outside a slice, the lowest level of the cine.
    labels : Tensor of float32, shape (batch, 1, row, column), or None
        0 outside a slice.
    centre_px, spacing_mm : Tensor of float32, shape (batch, 2)
        Centre of the crop and pixel spacing, both (row, column).
    mean : Tensor of float32, shape (batch,)
        Mean of the levels of the whole cine.
    """

    levels: Tensor
    labels: Tensor | None
    centre_px: Tensor
    spacing_mm: Tensor
    mean: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Position of each crop on its slice; the identity without augmentation.

    Attributes
    ----------
    translation_px : Tensor, shape (batch, 2)
        Distance of the crop's target from its middle, along the rows and columns of the (rotated) crop, in
        its pixels.
    rotation : Tensor, shape (batch,)
        In radians.
    scale : Tensor, shape (batch,)
        Above 1, the crop covers more of the slice.
    flip : Tensor, shape (batch, 2)
        1 or -1 for rows and columns.
    """

    translation_px: Tensor
    rotation: Tensor
    scale: Tensor
    flip: Tensor


def gather(
    bank: SliceBank,
    samples: NDArray[np.int64],
    crop: Crop,
    device: torch.device,
    *,
    with_labels: bool,
    canvas: tuple[int, int] | None = None,
) -> SliceBatch:
    """Copy slices from the bank to the device, padded to a common canvas."""
    entries = bank.index[samples]
    shape = (len(samples), 1, *(canvas or canvas_of(bank, samples)))
    levels = torch.zeros(shape, dtype=torch.float16)
    labels = torch.zeros(shape, dtype=torch.uint8) if with_labels else None
    for place, sample in enumerate(samples):
        image = torch.from_numpy(bank.image(sample))
        levels[place, 0, : image.shape[0], : image.shape[1]] = image
        drawing = bank.labels(sample) if with_labels else None
        if labels is not None and drawing is not None:
            labels[place, 0, : image.shape[0], : image.shape[1]] = torch.from_numpy(drawing)
    middle = np.stack([entries["rows"] - 1, entries["columns"] - 1], axis=1) / 2
    centre = entries["heart_px"] if crop.centre == "motion" else middle

    def on_device(values: NDArray[np.floating]) -> Tensor:
        # A copy: torch refuses the stride of a field of a single index entry.
        return torch.from_numpy(np.array(values, dtype=np.float32, order="C")).to(device)

    return SliceBatch(
        levels.to(device).float(),
        None if labels is None else labels.to(device).float(),
        on_device(centre),
        on_device(entries["spacing_mm"]),
        on_device(entries["mean"]),
    )


def canvas_of(bank: SliceBank, samples: NDArray[np.int64]) -> tuple[int, int]:
    """Return the rows and columns of the smallest canvas that fits all slices."""
    entries = bank.index[samples]
    return int(entries["rows"].max()), int(entries["columns"].max())


def draw_placement(ranges: Augmentation, draws: Draws) -> Placement:
    """Draw a random placement for each slice, on the CPU."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return draws.rand(*shape) * (high - low) + low

    rotation = np.deg2rad(ranges.rotation_deg)
    return Placement(
        uniform(-ranges.translation_px, ranges.translation_px, 2),
        uniform(-rotation, rotation),
        uniform(*ranges.scale),
        torch.where(draws.rand(2) < ranges.flip_p, -1.0, 1.0),
    )


def no_placement(n: int) -> Placement:
    """Return the identity placement of `n` slices, which only resamples."""
    return Placement(torch.zeros(n, 2), torch.zeros(n), torch.ones(n), torch.ones(n, 2))


def crop_to_slice(batch: SliceBatch, placement: Placement, crop: Crop) -> tuple[Tensor, Tensor]:
    """Return the matrix (batch, 2, 2) and offset (batch, 2) that map crop pixels to slice pixels.

    Crop pixels are relative to the centre of the crop, slice pixels to the first one; both (row, column).
    """
    device, n_views = batch.levels.device, len(placement.scale) // len(batch.levels)
    spacing_mm, centre_px = batch.spacing_mm.repeat(n_views, 1), batch.centre_px.repeat(n_views, 1)
    cosine, sine = placement.rotation.cos(), placement.rotation.sin()
    turn = torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)
    zoom_mm = crop.spacing_mm * placement.scale[:, None]
    matrix = (turn * (placement.flip * zoom_mm)[:, None, :]).to(device) / spacing_mm[:, :, None]
    offset = centre_px + (matrix * placement.translation_px.to(device)[:, None, :]).sum(dim=2)
    return matrix, offset


def sampling_grid(matrix: Tensor, offset: Tensor, crop: Crop, canvas: torch.Size) -> Tensor:
    """Return the canvas position of each crop pixel for `grid_sample`, shape (batch, row, column, xy)."""
    steps = torch.arange(crop.size_px, device=matrix.device) - (crop.size_px - 1) / 2
    sides = torch.tensor(canvas[-2:], device=matrix.device)
    # [-1, 1] spans the canvas edges; pixel centres lie half a pixel inside (align_corners=False).
    matrix, offset = 2 * matrix / sides[:, None], (2 * offset + 1) / sides - 1
    matrix, offset = matrix.flip(1), offset.flip(1)  # from (row, column) to xy
    down = offset[:, None] + matrix[:, None, :, 0] * steps[:, None]  # (batch, row, xy)
    across = matrix[:, None, :, 1] * steps[:, None]  # (batch, column, xy)
    if matrix.device.type != "cpu":
        return down[:, :, None] + across[:, None]
    # The same sum with x and y as a complex number: an innermost axis of two is slow on CPUs.
    whole = torch.view_as_complex(down)[:, :, None] + torch.view_as_complex(across)[:, None]
    return torch.view_as_real(whole)


def resample(batch: SliceBatch, placement: Placement, crop: Crop) -> tuple[Tensor, Tensor | None]:
    """Resample images (bicubic) and labels (nearest neighbour) to crops, and standardise.

    Parameters
    ----------
    batch : SliceBatch
        Slices.
    placement : Placement
        One or several per slice: first one of each slice, then the next of each.
    crop : Crop
        Size and pixel spacing of the network input.

    Returns
    -------
    images : Tensor of float32, shape (placement, 1, size, size)
    labels : Tensor of uint8, shape (placement, size, size), or None
    """
    n, n_views = len(batch.levels), len(placement.scale) // len(batch.levels)
    matrix, offset = crop_to_slice(batch, placement, crop)
    slice_by_slice = torch.arange(n * n_views, device=matrix.device).reshape(n_views, n).T.flatten()
    grid = sampling_grid(matrix[slice_by_slice], offset[slice_by_slice], crop, batch.levels.shape)
    # All crops of a slice are stacked along rows, so that no slice is copied.
    grid = grid.reshape(n, -1, crop.size_px, 2)

    def sample(slices: Tensor, mode: str) -> Tensor:
        found = functional.grid_sample(slices, grid, mode=mode, align_corners=False)
        apart = found.reshape(n, n_views, crop.size_px, crop.size_px)
        return apart.transpose(0, 1).reshape(n * n_views, 1, crop.size_px, crop.size_px)

    images = sample(batch.levels, "bicubic")
    images -= batch.mean.repeat(n_views)[:, None, None, None]
    if batch.labels is None:
        return images, None
    return images, sample(batch.labels, "nearest")[:, 0].to(torch.uint8)
