"""The same cine as another acquisition might show it: with more noise, shifted by half a pixel, turned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_ssp.recipes import Crop
from cmr_ssp.samples.resampling import Placement, SliceBatch, no_placement, resample

TURN_DEG = 5.0
_SHIFTS_PX = {"shifted down": (0.5, 0.0), "shifted right": (0.0, 0.5), "shifted both ways": (0.5, 0.5)}
_N_NOISY = 3


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """A changed cine.

    Attributes
    ----------
    name : str
        What was changed.
    pixels : ndarray of float32, shape (frame, slice, row, column)
        Changed pixels.
    spacing_mm : tuple of float
        Distance between slices, rows and columns of the changed cine.
    """

    name: str
    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float, float]


def repeats(
    pixels: NDArray[np.float32], spacing_mm: tuple[float, float, float], noise_sd: float, seed: int = 0
) -> Iterator[Repeat]:
    """Yield the changed versions of a cine, one at a time: three noisy ones, three shifted, two turned.

    Parameters
    ----------
    pixels : ndarray of float32, shape (frame, slice, row, column)
        The cine.
    spacing_mm : tuple of float
        Distance between slices, rows and columns.
    noise_sd : float
        Standard deviation of the added noise, in the unit of the pixels.
    seed : int
        Seed of the noise.
    """
    for number in range(_N_NOISY):
        noise = np.random.default_rng((seed, number))
        yield Repeat(f"noise {number + 1}", noisy(pixels, noise_sd, noise), spacing_mm)
    for name, shift_px in _SHIFTS_PX.items():
        yield Repeat(name, *moved(pixels, spacing_mm, shift_px=shift_px))
    for turn_deg in (TURN_DEG, -TURN_DEG):
        yield Repeat(f"turned by {turn_deg:+.0f} degrees", *moved(pixels, spacing_mm, turn_deg=turn_deg))


def noisy(pixels: NDArray[np.float32], sd: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Add noise as in a magnitude image: Gaussian with standard deviation `sd` in real and imaginary part."""
    lowest = pixels.min()
    real, imaginary = (random.standard_normal(pixels.shape, np.float32) * np.float32(sd) for _ in range(2))
    changed: NDArray[np.float32] = np.hypot(pixels - lowest + real, imaginary) + lowest
    return changed


def moved(
    pixels: NDArray[np.float32],
    spacing_mm: tuple[float, float, float],
    *,
    shift_px: tuple[float, float] = (0.0, 0.0),
    turn_deg: float = 0.0,
) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """Shift and turn the content of every slice about the middle of the image.

    Parameters
    ----------
    pixels : ndarray of float32, shape (frame, slice, row, column)
        The cine.
    spacing_mm : tuple of float
        Distance between slices, rows and columns.
    shift_px : tuple of float
        Along rows and columns of the result, in its pixels.
    turn_deg : float
        Angle in degrees.

    Returns
    -------
    pixels : ndarray of float32, shape (frame, slice, side, side)
        On square slices with square pixels that cover the original ones, so that nothing is stretched; the
        lowest value outside.
    spacing_mm : tuple of float
        Distance between slices, rows and columns of the result.
    """
    _, *in_plane = spacing_mm
    step, shape = min(in_plane), pixels.shape[-2:]
    side = max(math.ceil(n * mm / step - 1e-6) for n, mm in zip(shape, in_plane, strict=True))
    crop = Crop(size_px=side, spacing_mm=step, centre="image")
    # Pixels of both grids coincide if neither shift nor turn is wanted, and spacing is the same.
    centre = torch.tensor([(side - 1) / 2 - (side - n) // 2 for n in shape])
    if any(mm != step for mm in in_plane):
        centre = torch.tensor([(n - 1) / 2 for n in shape])
    n_slices, lowest = pixels.shape[1], float(pixels.min())
    still = no_placement(n_slices)
    shift = torch.tensor(shift_px).repeat(n_slices, 1)
    # The crop moves against its content.
    placement = Placement(-shift, torch.full((n_slices,), -math.radians(turn_deg)), still.scale, still.flip)
    changed = np.empty((*pixels.shape[:2], side, side), np.float32)
    for frame, volume in enumerate(pixels):
        levels = torch.from_numpy(np.ascontiguousarray(volume - lowest, np.float32))[:, None]
        spacing = torch.tensor(in_plane).repeat(n_slices, 1)
        batch = SliceBatch(levels, None, centre.repeat(n_slices, 1), spacing, torch.zeros(n_slices))
        images, _ = resample(batch, placement, crop)
        changed[frame] = images[:, 0].clamp_(min=0).numpy() + lowest
    return changed, (spacing_mm[0], step, step)
