"""Locate the heart in plane without labels, by its motion once per cardiac cycle.

The amplitude of the first temporal harmonic of the cine (for two frames: their difference) is large where
blood and myocardium alternate. Mean shift with a wide window moves from the highest, most central peak to the
centre of the motion. Pretraining, fine-tuning and prediction use the same method, so no label information
leaks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import iadd

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_ssp.subjects import LARGE_BYTES, Frames

_WORKING_SPACING_MM = 2.5
_NOISE_SIGMA_MM = 2.0  # moving edges are wider than this, noise is narrower
_PEAK_SIGMA_MM = 25.0  # about half a heart
_WINDOW_RADIUS_MM = 70.0  # contains both ventricles
_CENTRAL_SIGMA_MM = 80.0  # stacks are planned around the heart; only to choose the peak
_ROUNDING = 1e-6  # of single-precision sums, per frame
_MIN_CONTRAST = 1.5  # ratio of motion inside and outside the window below which the result is unsure


@dataclass(frozen=True, slots=True)
class HeartCentre:
    """In-plane centre of the heart, the same in every slice of a stack.

    Attributes
    ----------
    row, column : float
        In pixels of the stack's own grid.
    sure : bool
        False if the motion is not concentrated in one place; without motion, the centre is that of the image.
    """

    row: float
    column: float
    sure: bool


def find_heart(levels: Frames, spacing_mm: tuple[float, float]) -> HeartCentre:
    """Locate the heart by its motion.

    Parameters
    ----------
    levels : ndarray or Frames, shape (frame, slice, row, column)
        Pixels on any scale; a single frame has no motion.
    spacing_mm : tuple of float
        Distance between rows and between columns.
    """
    rows, columns = levels.shape[2:]
    middle = HeartCentre((rows - 1) / 2, (columns - 1) / 2, sure=False)
    if levels.shape[0] < 2:
        return middle
    factors = tuple(max(1, round(_WORKING_SPACING_MM / spacing)) for spacing in spacing_mm)
    coarse_mm = np.multiply(spacing_mm, factors)
    motion = _motion(_binned(_first_harmonic(levels), factors), coarse_mm)
    if not motion.any():
        return middle
    centre, contrast = _climb(motion, coarse_mm)
    row, column = (centre / coarse_mm + 0.5) * factors - 0.5
    return HeartCentre(float(row), float(column), sure=bool(contrast >= _MIN_CONTRAST))


def _first_harmonic(levels: Frames) -> NDArray[np.float32]:
    """Return real and imaginary part of the first harmonic, shape (2, slice, row, column)."""
    n_frames = levels.shape[0]
    turns = 2 * np.pi * np.arange(n_frames) / n_frames
    waves = np.stack([np.cos(turns), np.sin(turns)])
    parts = (
        waves[:, begin : begin + len(block)].astype(block.dtype) @ block.reshape(len(block), -1)
        for begin, block in _blocks(levels)
    )
    harmonic = np.asarray(reduce(iadd, parts))
    # Static pixels cancel except for rounding errors, which the square root in `_motion` would amplify.
    harmonic[np.abs(harmonic) < _ROUNDING * n_frames * np.abs(levels[0]).max()] = 0.0
    return harmonic.reshape(2, *levels.shape[1:])


def _blocks(levels: Frames) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield blocks of consecutive frames with the index of the first; a single block if memory allows."""
    if isinstance(levels, np.ndarray):
        yield 0, levels
        return
    n_frames, *shape = levels.shape
    step = max(1, LARGE_BYTES // (math.prod(shape) * np.dtype(np.float32).itemsize))
    for begin in range(0, n_frames, step):
        block = np.empty((min(step, n_frames - begin), *shape), np.float32)
        for place in range(len(block)):
            block[place] = levels[begin + place]
        yield begin, block


def _binned(planes: NDArray[np.float32], factors: tuple[int, ...]) -> NDArray[np.float64]:
    """Average blocks of pixels; drop the remainder at the far edges."""
    down, across = factors
    rows, columns = (side // factor * factor for side, factor in zip(planes.shape[2:], factors, strict=True))
    total = np.zeros((*planes.shape[:2], rows // down, columns // across))
    for row, column in np.ndindex(down, across):
        total += planes[:, :, row:rows:down, column:columns:across]
    return total / (down * across)


def _motion(harmonic: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square root of the amplitude of the harmonic, summed over slices.

    The square root keeps a few very bright voxels (flow, fat) from dominating the outline of the ventricles.
    """
    sigmas = (0.0, *(_NOISE_SIGMA_MM / spacing_mm))
    real, imaginary = (ndimage.gaussian_filter(part, sigmas) for part in harmonic)
    return np.asarray(np.sqrt(np.hypot(real, imaginary)).sum(axis=0), dtype=np.float64)


def _climb(motion: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Find the centre in mm (row, column) by mean shift; return it with the contrast of the window."""
    places = np.moveaxis(np.indices(motion.shape), 0, -1) * spacing_mm
    off_centre = ((places - places.mean(axis=(0, 1))) ** 2).sum(axis=-1)
    smooth = ndimage.gaussian_filter(motion, _PEAK_SIGMA_MM / spacing_mm, mode="constant")
    smooth *= np.exp(-off_centre / (2 * _CENTRAL_SIGMA_MM**2))
    centre = places[np.unravel_index(smooth.argmax(), smooth.shape)]
    for _ in range(100):
        inside = ((places - centre) ** 2).sum(axis=-1) < _WINDOW_RADIUS_MM**2
        moved = np.average(places[inside], axis=0, weights=motion[inside] + 1e-12)
        if np.allclose(moved, centre, atol=0.1):
            break
        centre = moved
    outside = motion[~inside]
    contrast = motion[inside].mean() / (outside.mean() + 1e-12) if outside.size else 1.0
    return centre, float(contrast)
