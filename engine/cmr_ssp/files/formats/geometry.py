"""Voxel size and slice order from NIfTI headers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError, Problem
from cmr_ssp.files.formats.nifti import NiftiHeader
from cmr_ssp.subjects import Grid, SliceOrder

_BASE_TO_APEX = np.array([-1.0, 1.0, -1.0]) / np.sqrt(3.0)
"""The apex of the heart points to the left, front and feet; world axes are RAS+."""

IN_PLANE_MM, BETWEEN_SLICES_MM = (0.1, 10.0), (0.1, 50.0)
"""Plausible voxel sizes of an image of the heart."""

_AXIS_ALIGNED = 0.999
_LEAST_COSINE = 0.25  # directions closer to perpendicular are ambiguous
_TOLERANCE = 0.01


def grid_of(header: NiftiHeader) -> tuple[Grid, tuple[Problem, ...]]:
    """Return the voxel grid of a file, and warnings about it.

    Raises
    ------
    ImageError
        If neither affine nor `pixdim` gives a plausible voxel size.
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
    """The voxel size is implausible for an image of the heart."""


def size_problems(spacing_mm: tuple[float, float, float], where: str) -> list[Problem]:
    """Reject implausible voxel sizes, since all volumes depend on them.

    Parameters
    ----------
    spacing_mm : tuple of float
        Distance between slices, rows and columns.
    where : str
        Name of the image in messages.
    """
    limits = (BETWEEN_SLICES_MM, IN_PLANE_MM, IN_PLANE_MM)
    if all(low <= size <= high for size, (low, high) in zip(spacing_mm, limits, strict=True)):
        return []
    slices, pixels = (f"{low:g} to {high:g} mm" for low, high in (BETWEEN_SLICES_MM, IN_PLANE_MM))
    what = f"its voxels are {_mm(np.array(spacing_mm[::-1]))}; an image of the heart has pixels of {pixels}"
    remedy = "Correct the voxel size or its unit in the header, or export the image again."
    return [Problem(where, f"{what} and slices {slices} apart", remedy)]


def placed_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the affine with the used voxel size, for files that store only an affine.

    It is the affine of the file, unless that contradicts the spacing: some files have the voxel size only in
    pixdim.
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
    """Return the voxel size along i, j, k in mm, from the affine if it has one, otherwise from pixdim."""
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
    what = f"the voxel size is {_mm(other)} in {other_name}, {_mm(used)} in {used_name}; {used_name} is used"
    return Problem.warning(header.path, what, "Check the voxel size: all volumes in mL depend on it.")


def _unit_size(header: NiftiHeader, size: NDArray[np.float64]) -> tuple[Problem, ...]:
    if not np.allclose(size, 1.0):
        return ()
    what = "its voxels are 1 x 1 x 1 mm, which usually means that the voxel size is missing"
    return (Problem.warning(header.path, what, "Check the voxel size before you use a volume."),)


def _mm(size: NDArray[np.float64]) -> str:
    if not np.isfinite(size).all():
        return "not finite"
    return " x ".join(f"{value:.4g}" for value in size) + " mm"


def slice_order(affine: NDArray[np.float64]) -> tuple[SliceOrder, bool]:
    """Return whether the order is known, and whether the file starts at the apex.

    Short-axis stacks are oblique to the body. An affine along the world axes was invented by a converter and
    has no information about the patient.
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
    """Return the cosine between a direction (RAS+) and the typical direction from base to apex."""
    return float(direction @ _BASE_TO_APEX / np.linalg.norm(direction))
