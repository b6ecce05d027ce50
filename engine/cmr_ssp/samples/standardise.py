"""Border crop and standardisation of one cine (method page, Preprocessing)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class StandardisedCine:
    """A cine in units of its own standard deviation.

    Attributes
    ----------
    levels : ndarray of float32, shape (frame, slice, row, column)
        (pixel - minimum) / standard deviation, without the all-zero in-plane border. Zero is the darkest
        level, so that zero padding continues the background; subtract `mean` to standardise.
    mean : float
        Mean of `levels`.
    highest : float
        Of `levels`.
    top, left : int
        Rows and columns that were cropped before the first one kept.
    """

    levels: NDArray[np.float32]
    mean: float
    highest: float
    top: int
    left: int


def standardise(pixels: NDArray[np.float32]) -> StandardisedCine:
    """Crop the all-zero in-plane border and scale by the (unbiased) deviation of the whole cine.

    Parameters
    ----------
    pixels : ndarray, shape (frame, slice, row, column)
        As read from the file.
    """
    slices = pixels.reshape(-1, *pixels.shape[2:])
    low, high = slices.min(axis=0), slices.max(axis=0)
    occupied = (low != 0) | (high != 0)
    rows, columns = (_extent(np.asarray(occupied.any(axis=axis))) for axis in (1, 0))
    lowest = low[rows, columns].min()
    levels, mean, deviation = _above(lowest, pixels[:, :, rows, columns])
    scale = deviation or 1.0
    levels /= np.float32(scale)
    highest = float(high[rows, columns].max() - lowest) / scale
    return StandardisedCine(levels, mean / scale, highest, rows.start, columns.start)


def _above(lowest: np.float32, pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, float]:
    """Return the pixels less the lowest, and their mean and deviation.

    A slice is summed while it is in the processor's cache, in single precision; the slices' sums are added in
    double precision.
    """
    levels = np.empty(pixels.shape, np.float32)
    total = squares = 0.0
    for place in np.ndindex(levels.shape[:2]):
        flat = np.subtract(pixels[place], lowest, out=levels[place]).reshape(-1)
        total += float(flat.sum())
        squares += float(flat @ flat)
    variance = (squares - total**2 / levels.size) / max(levels.size - 1, 1)
    return levels, total / levels.size, math.sqrt(max(variance, 0.0))


def _extent(occupied: NDArray[np.bool_]) -> slice:
    """Return the slice from the first to the last True, everything where there is none."""
    (where,) = np.nonzero(occupied)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, occupied.size)
