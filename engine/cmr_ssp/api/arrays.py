"""Convert an array to a stack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError
from cmr_ssp.files.formats.geometry import size_problems
from cmr_ssp.subjects import CineStack, Grid

SpacingMm = tuple[float, float, float]
"""Distance between the centres of slices, rows and columns."""

_WHERE = "array"
_AXES = "(frame, slice, row, column)"


def stack_of(pixels: NDArray[Any], spacing_mm: SpacingMm | None) -> CineStack:
    """Return an array as a stack with unknown slice order and position.

    Parameters
    ----------
    pixels : ndarray, shape (frame, slice, row, column) or (slice, row, column)
        Real numbers of any type.
    spacing_mm : tuple of float
        Distance between the centres of slices, rows and columns.

    Raises
    ------
    ImageError
        If shape, pixels or spacing are invalid.
    """
    if pixels.ndim not in (3, 4) or not pixels.size:
        what = f"its shape is {pixels.shape}"
        raise ImageError.of(_WHERE, what, f"Give the axes {_AXES}, or (slice, row, column) of one frame.")
    if spacing_mm is None or len(spacing_mm) != 3:
        remedy = "Give the distance between slices, rows and columns, as in spacing_mm=(8.0, 1.4, 1.4)."
        raise ImageError.of("spacing_mm", "an array needs three distances in mm", remedy)
    slices, rows, columns = (float(size) for size in spacing_mm)
    if problems := size_problems((slices, rows, columns), "spacing_mm"):
        remedy = "Give millimetres, in the order slices, rows, columns."
        raise ImageError(*(replace(problem, remedy=remedy) for problem in problems))
    cine = _as_real(pixels).reshape(-1, *pixels.shape[-3:])
    shape = (cine.shape[1], cine.shape[2], cine.shape[3])
    grid = Grid(shape, (slices, rows, columns), np.diag([columns, rows, slices, 1.0]))
    return CineStack(grid, len(cine), lambda: cine)


def _as_real(pixels: NDArray[Any]) -> NDArray[np.float32]:
    if pixels.dtype.kind not in "buif":
        raise ImageError.of(_WHERE, f"it holds {pixels.dtype}", "Give real numbers.")
    real = np.asarray(pixels, np.float32)
    if not np.isfinite(real).all():
        raise ImageError.of(_WHERE, "it holds pixels that are not finite", "Replace NaN and infinity.")
    return real
