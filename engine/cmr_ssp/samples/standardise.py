"""Border crop and standardisation of one cine (method page, Preprocessing)."""

from __future__ import annotations

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
    top, left : int
        Rows and columns that were cropped before the first one kept.
    """

    levels: NDArray[np.float32]
    mean: float
    top: int
    left: int


def standardise(pixels: NDArray[np.float32]) -> StandardisedCine:
    """Crop the all-zero in-plane border and scale by the (unbiased) deviation of the whole cine.

    Parameters
    ----------
    pixels : ndarray, shape (frame, slice, row, column)
        As read from the file.
    """
    rows, columns = (_extent(np.asarray(pixels.any(axis=axes))) for axes in ((0, 1, 3), (0, 1, 2)))
    levels = pixels[:, :, rows, columns] - pixels[:, :, rows, columns].min()
    deviation = float(levels.std(ddof=1, dtype=np.float64)) if levels.size > 1 else 0.0
    levels /= np.float32(deviation or 1.0)
    return StandardisedCine(levels, float(levels.mean(dtype=np.float64)), rows.start, columns.start)


def _extent(occupied: NDArray[np.bool_]) -> slice:
    """Return the slice from the first to the last True, everything where there is none."""
    (where,) = np.nonzero(occupied)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, occupied.size)
