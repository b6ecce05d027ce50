"""Smooth contours of regions, as the distance of their border from their centre in every direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

N_POINTS = 360
"""Points of a contour, a degree apart."""

_PIXELS_PER_WAVE = 10.0
_MOST_WAVES = 12


@dataclass(frozen=True, slots=True, eq=False)
class RadialContour:
    """A closed contour around a centre.

    Attributes
    ----------
    centre_mm : ndarray of float64, shape (2,)
        Centre of the region: row and column times the spacing.
    radius_mm : ndarray of float64, shape (point,)
        Distance of the contour from the centre in `directions`.
    """

    centre_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]

    @property
    def points_mm(self) -> NDArray[np.float64]:
        """Points on the contour: row and column times the spacing, shape (point, 2)."""
        angles = directions(len(self.radius_mm))
        ray = np.column_stack([np.sin(angles), np.cos(angles)])
        return np.asarray(self.centre_mm + self.radius_mm[:, None] * ray, np.float64)


def directions(n: int) -> NDArray[np.float64]:
    """Return `n` equally spaced directions in radians, from growing columns towards growing rows.

    With row 0 at the top of the screen, 0 points right and the angle grows clockwise.
    """
    return np.asarray(np.arange(n) * (2 * np.pi / n), np.float64)


def filled_largest(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected component of a region, without holes; empty if the region is."""
    parts, n = ndimage.label(region)
    if n > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        region = parts == sizes.argmax()
    return np.asarray(ndimage.binary_fill_holes(region), bool)


def trace(region: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> RadialContour:
    """Trace the outer border of a region, between the pixels.

    Each wave of the squared radius over the direction is a sum over the pixels of the region, so the contour
    encloses their area, as a whole and in every sector. Waves shorter than ten pixels are the steps of the
    pixels and left out; this does not shrink a circle.

    Parameters
    ----------
    region : ndarray of bool, shape (row, column)
        One connected region that contains its centre.
    spacing_mm : tuple of float
        Distance between rows and columns.
    """
    pixels = np.argwhere(region) * np.array(spacing_mm)
    centre = pixels.mean(axis=0)
    area = np.prod(spacing_mm)
    round_mm = 2 * np.pi * np.sqrt(len(pixels) * area / np.pi)
    n_waves = int(np.clip(round_mm / (_PIXELS_PER_WAVE * max(spacing_mm)), 2, _MOST_WAVES))
    y, x = (pixels - centre).T
    turn = np.exp(-1j * np.arctan2(y, x))
    powers = np.cumprod(np.broadcast_to(turn, (n_waves, len(turn))), axis=0)
    waves = np.zeros(N_POINTS // 2 + 1, complex)
    waves[0], waves[1 : n_waves + 1] = len(pixels), powers.sum(axis=1)
    squared = np.fft.irfft(waves, N_POINTS) * (area / np.pi * N_POINTS)
    return RadialContour(centre, np.sqrt(np.maximum(squared, area / np.pi)))
