"""Border crop and standardisation of one cine (see docs/methods.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.subjects import Frames


@dataclass(frozen=True, slots=True, eq=False)
class StandardisedCine:
    """A cine in units of its own standard deviation.

    Attributes
    ----------
    levels : ndarray of float32, shape (frame, slice, row, column)
        (pixel - minimum) / standard deviation, without the all-zero in-plane border. Zero is the lowest
        level, so zero padding continues the background; subtract `mean` to standardise.
    mean : float
        Mean of `levels`.
    highest : float
        Maximum of `levels`.
    top, left : int
        Number of rows and columns cropped at the top and left.
    """

    levels: NDArray[np.float32]
    mean: float
    highest: float
    top: int
    left: int


@dataclass(frozen=True, slots=True, eq=False)
class LevelFrames:
    """The levels of a `StandardisedCine`, computed frame by frame on access.

    Attributes
    ----------
    pixels : Frames
        As read from the file.
    rows, columns : slice
        Part of each image that is kept.
    lowest : float32
        Lowest kept pixel.
    deviation : float
        Standard deviation of the kept pixels, 1 if they are all equal.
    mean : float
        Mean of the levels.
    """

    pixels: Frames
    rows: slice
    columns: slice
    lowest: np.float32
    deviation: float
    mean: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of frames, slices, and kept rows and columns."""
        sides = (each.stop - each.start for each in (self.rows, self.columns))
        return (*self.pixels.shape[:2], *sides)

    def __getitem__(self, frame: int) -> NDArray[np.float32]:
        """Return the levels of one frame, shape (slice, row, column)."""
        levels = np.subtract(self.pixels[frame][:, self.rows, self.columns], self.lowest)
        levels /= np.float32(self.deviation)
        return levels


def standardise(pixels: NDArray[np.float32]) -> StandardisedCine:
    """Crop the all-zero in-plane border and divide by the (unbiased) standard deviation of the whole cine.

    Parameters
    ----------
    pixels : ndarray, shape (frame, slice, row, column)
        As read from the file.
    """
    low, high = _extremes(pixels)
    rows, columns = _occupied(low, high)
    lowest = low[rows, columns].min()
    levels = np.empty(pixels[:, :, rows, columns].shape, np.float32)
    mean, deviation = _above(lowest, pixels, rows, columns, levels)
    scale = deviation or 1.0
    levels /= np.float32(scale)
    highest = float(high[rows, columns].max() - lowest) / scale
    return StandardisedCine(levels, mean / scale, highest, rows.start, columns.start)


def standardise_frames(pixels: Frames) -> LevelFrames:
    """Return the same levels as `standardise`, bit for bit, with only one frame in memory at a time."""
    low, high = _extremes(pixels)
    rows, columns = _occupied(low, high)
    lowest = low[rows, columns].min()
    mean, deviation = _above(lowest, pixels, rows, columns)
    scale = deviation or 1.0
    return LevelFrames(pixels, rows, columns, lowest, scale, mean / scale)


def _extremes(pixels: Frames) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return minimum and maximum over all frames and slices, each of shape (row, column)."""
    first = pixels[0]
    low, high = first.min(axis=0), first.max(axis=0)
    for t in range(1, pixels.shape[0]):
        frame = pixels[t]
        np.minimum(low, frame.min(axis=0), out=low)
        np.maximum(high, frame.max(axis=0), out=high)
    return low, high


def _occupied(low: NDArray[np.float32], high: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the rows and columns without the all-zero border."""
    occupied = (low != 0) | (high != 0)
    rows, columns = (_extent(np.asarray(occupied.any(axis=axis))) for axis in (1, 0))
    return rows, columns


def _above(
    lowest: np.float32,
    pixels: Frames,
    rows: slice,
    columns: slice,
    levels: NDArray[np.float32] | None = None,
) -> tuple[float, float]:
    """Return mean and standard deviation of ``pixels - lowest``; store the differences in `levels` if given.

    Each slice is summed in single precision while it is in the processor cache; the sums of the slices are
    added in double precision.
    """
    total = squares = 0.0
    size = 0
    for t in range(pixels.shape[0]):
        for k, image in enumerate(pixels[t][:, rows, columns]):
            above = np.subtract(image, lowest, out=None if levels is None else levels[t, k])
            flat = above.reshape(-1)
            total += float(flat.sum())
            squares += float(flat @ flat)
            size += flat.size
    variance = (squares - total**2 / size) / max(size - 1, 1)
    return total / size, math.sqrt(max(variance, 0.0))


def _extent(occupied: NDArray[np.bool_]) -> slice:
    """Return the slice from the first to the last True, or everything if there is none."""
    (where,) = np.nonzero(occupied)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, occupied.size)
