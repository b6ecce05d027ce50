"""Drawing primitives of the phantom: soft shapes and smooth random fields."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.floating[Any]]
"""Values on a pixel grid, or an array that broadcasts to one; float32 for speed."""


def coverage(distance: Field, width: Field | float) -> Field:
    """Return the fraction of each pixel inside a shape, from its signed `distance` and edge `width`."""
    soft: Field = np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1)
    return soft


def ring(distance: Field, centre: float, thickness: float, width: float) -> Field:
    """Return the coverage of a band around the outline `distance == centre`."""
    return coverage(np.abs(distance - np.float32(centre)) - np.float32(thickness / 2), width)


def ellipse(x: Field, y: Field, a: Field | float, b: Field | float) -> Field:
    """Return the signed distance from an ellipse with semi-axes `a` and `b`, to first order at its edge."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    u, v = x / a, y / b
    radius = np.sqrt(u * u + v * v) + np.float32(1e-6)
    slope = np.sqrt((u / a) ** 2 + (v / b) ** 2) + np.float32(1e-6)
    distance: Field = radius * (radius - 1) / slope
    return distance


def rotate(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Return the coordinates of the points along axes rotated by `angle` (radians)."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def paint(canvas: Field, alpha: Field, value: ArrayLike) -> None:
    """Blend `value` over `canvas` in place with opacity `alpha`."""
    canvas += alpha * (np.asarray(value, np.float32) - canvas)


def gaussian_field(rng: np.random.Generator, shape: tuple[int, ...], sigmas: tuple[float, ...]) -> Field:
    """Draw a smooth Gaussian random field with mean 0 and variance 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        Shape of the field.
    sigmas : tuple of float
        Smoothness along each axis in samples: the standard deviation of the Gaussian kernel that interpolates
        white noise on a coarser grid.
    """
    weights = [_spread(n, sigma) for n, sigma in zip(shape, sigmas, strict=True)]
    field = rng.standard_normal([w.shape[1] for w in weights], dtype=np.float32)
    for axis, weight in enumerate(weights):
        field = np.moveaxis(np.tensordot(weight, field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(field)


def _spread(n: int, sigma: float) -> Field:
    """Return the weights from nodes at distance `sigma` to `n` samples; each row has unit norm."""
    nodes = np.arange(-2 * sigma, n + 3 * sigma, sigma)
    weight = np.exp(-0.5 * ((np.arange(n)[:, None] - nodes) / sigma) ** 2)
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    return weight.astype(np.float32)
