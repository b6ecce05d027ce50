"""Rasterise polygons: a pixel is inside if its centre is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
"""Shape (point, 2): column and row in pixels; integers are pixel centres."""


def fill(polygon: Polygon, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixel centres lie inside a polygon (even-odd rule), shape (row, column).

    A centre on an edge belongs to one side only, so that neighbouring areas do not overlap.

    Parameters
    ----------
    polygon : ndarray, shape (point, 2)
        Column and row; the last point is connected to the first. Points may lie outside the image.
    shape : tuple of int
        Rows and columns.
    """
    inside = np.zeros(shape, dtype=np.bool_)
    columns = np.arange(shape[1])
    following = np.roll(polygon, -1, axis=0)
    for row in range(max(0, int(polygon[:, 1].min())), min(shape[0], int(polygon[:, 1].max()) + 2)):
        crossed = (polygon[:, 1] > row) != (following[:, 1] > row)
        (x0, y0), (x1, y1) = polygon[crossed].T, following[crossed].T
        crossings = np.sort(x0 + (row - y0) * (x1 - x0) / (y1 - y0))
        inside[row] = np.searchsorted(crossings, columns, side="right") % 2 == 1
    return inside
