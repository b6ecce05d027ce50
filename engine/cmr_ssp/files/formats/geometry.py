"""Voxel size and slice order from a NIfTI header."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError, Problem
from cmr_ssp.files.formats.nifti import NiftiHeader
from cmr_ssp.subjects import Grid, SliceOrder

_BASE_TO_APEX = np.array([-1.0, 1.0, -1.0]) / np.sqrt(3.0)
"""The heart's apex points left, forwards and down; world axes are RAS+."""

IN_PLANE_MM, BETWEEN_SLICES_MM = (0.1, 10.0), (0.1, 50.0)
"""Voxel sizes that an image of the heart can have."""

_AXIS_ALIGNED = 0.999
_LEAST_COSINE = 0.25  # closer to perpendicular than that and the direction says nothing
_TOLERANCE = 0.01


def grid_of(header: NiftiHeader) -> tuple[Grid, tuple[Problem, ...]]:
    """Work out the voxel grid of a file, and what is odd about it.

    Raises
    ------
    ImageError
        If neither affine nor `pixdim` gives a voxel size, or one that no image of a heart has.
    """
    size_mm, problems = _voxel_size(header)
    i, j, k = (float(size) for size in size_mm)
    impossible = size_problems((k, j, i), str(header.path))
    if impossible:
        raise VoxelSizeError(*impossible)
    order, is_reversed = slice_order(header.affine)
    grid = Grid(
        shape=header.shape[1:],
        spacing_mm=(k, j, i),
        affine=header.affine,
        slices_reversed=is_reversed,
        slice_order=order,
    )
    return grid, problems


class VoxelSizeError(ImageError):
    """The voxel size is none that an image of the heart can have."""


def size_problems(spacing_mm: tuple[float, float, float], where: str) -> list[Problem]:
    """Refuse voxel sizes that no image of the heart has: all volumes depend on them.

    Parameters
    ----------
    spacing_mm : tuple of float
        Between slices, rows and columns.
    where : str
        What to call the image.
    """
    limits = (BETWEEN_SLICES_MM, IN_PLANE_MM, IN_PLANE_MM)
    if all(low <= size <= high for size, (low, high) in zip(spacing_mm, limits, strict=True)):
        return []
    slices, pixels = (f"{low:g} to {high:g} mm" for low, high in (BETWEEN_SLICES_MM, IN_PLANE_MM))
    what = f"its voxels are {_mm(np.array(spacing_mm[::-1]))}; an image of the heart has pixels of {pixels}"
    remedy = "Correct the voxel size or its unit in the header, or export the image again."
    return [Problem(where, f"{what} and slices {slices} apart", remedy)]


def placed_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the affine with the voxel size that is used, for files that know no other.

    It is the file's own, unless its columns contradict the spacing: some files have their voxel size
    in pixdim alone.
    """
    affine: NDArray[np.float64] = np.array(grid.affine, np.float64)
    spacing = np.asarray(grid.spacing_mm[::-1])
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or norms.min() == 0:
        return np.diag([*spacing, 1.0])
    if not np.allclose(norms, spacing, rtol=1e-3):
        affine[:3, :3] *= spacing / norms
    return affine


def _voxel_size(header: NiftiHeader) -> tuple[NDArray[np.float64], tuple[Problem, ...]]:
    """Return the voxel size along i, j, k in mm: from the affine where it has one, else from pixdim."""
    norms = np.linalg.norm(header.affine[:3, :3], axis=0)
    pixdim = np.asarray(header.pixdim_mm)
    usable = bool(np.isfinite(header.affine).all() and norms.min() > 0)
    pixdim_usable = bool(np.isfinite(pixdim).all() and pixdim.min() > 0)
    agree = usable and pixdim_usable and np.allclose(norms, pixdim, rtol=_TOLERANCE)
    if agree:
        return norms, _unit_size(header, norms)
    if usable and (not np.allclose(norms, 1.0) or not pixdim_usable):
        return norms, (_warn(header, norms, "the affine", pixdim, "pixdim"),)
    if pixdim_usable and not np.allclose(pixdim, 1.0):
        return pixdim, (_warn(header, pixdim, "pixdim", norms, "the affine"),)
    what = "neither its affine nor its pixdim gives a voxel size"
    raise ImageError.of(header.path, what, "Export the image again with its geometry.")


def _warn(
    header: NiftiHeader,
    used: NDArray[np.float64],
    used_name: str,
    other: NDArray[np.float64],
    other_name: str,
) -> Problem:
    what = f"{other_name} says voxels of {_mm(other)}, {used_name} {_mm(used)}; {used_name} is used"
    return Problem.warning(header.path, what, "Check the voxel size: all volumes in mL depend on it.")


def _unit_size(header: NiftiHeader, size: NDArray[np.float64]) -> tuple[Problem, ...]:
    if not np.allclose(size, 1.0):
        return ()
    what = "its voxels are 1 x 1 x 1 mm, which usually means that nobody wrote the voxel size"
    return (Problem.warning(header.path, what, "Check the voxel size before you trust a volume."),)


def _mm(size: NDArray[np.float64]) -> str:
    if not np.isfinite(size).all():
        return "no size, since it holds what is not a number"
    return " x ".join(f"{value:.4g}" for value in size) + " mm"


def slice_order(affine: NDArray[np.float64]) -> tuple[SliceOrder, bool]:
    """Return whether the order is known, and whether the file starts at the apex.

    A short-axis stack is oblique to the body. An affine along the world's axes was made up by a
    converter, so it says nothing about the patient.
    """
    column = affine[:3, 2]
    length = np.linalg.norm(column)
    if not np.isfinite(length) or length == 0:
        return SliceOrder.UNKNOWN, False
    direction = column / length
    cosine = towards_apex(direction)
    if np.abs(direction).max() > _AXIS_ALIGNED or abs(cosine) < _LEAST_COSINE:
        return SliceOrder.UNKNOWN, False
    return SliceOrder.BASE_FIRST, cosine < 0


def towards_apex(direction: NDArray[np.float64]) -> float:
    """Return the cosine between a direction, RAS+, and the usual way from the heart's base to its apex."""
    return float(direction @ _BASE_TO_APEX / np.linalg.norm(direction))
