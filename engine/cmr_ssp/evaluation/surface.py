"""Distances between the surfaces of two segmentations in mm: HD95 and the average symmetric distance.

Both are three-dimensional, as in the ACDC and M&Ms challenges: the surface of a structure consists of its
voxels with a face to the outside, above and below too, and the distance between slices counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_ssp.anatomy import Structure

_PERCENTILE = 95.0

_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SurfaceDistance:
    """Distances between two surfaces in mm.

    Attributes
    ----------
    hd95_mm : float
        The larger of the two 95th percentiles of the distances from one surface to the other.
    assd_mm : float
        Average of the distances from all voxels of both surfaces to the other one.
    """

    hd95_mm: float
    assd_mm: float


def surface_distance(
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    structure: Structure,
    spacing_mm: tuple[float, float, float],
) -> SurfaceDistance | None:
    """Measure the distance between the surfaces of one structure in two volumes.

    Parameters
    ----------
    prediction, reference : ndarray, shape (slice, row, column)
        0 or a `Structure` number.
    structure : Structure
        Structure to compare. The caller must know that it was drawn in the reference.
    spacing_mm : tuple of float
        Distance between the centres of slices, rows and columns.

    Returns
    -------
    SurfaceDistance or None
        0 if both volumes lack the structure; None if only one does, since there is no distance then.
    """
    found, drawn = prediction == structure, reference == structure
    if not found.any() or not drawn.any():
        return None if found.any() or drawn.any() else SurfaceDistance(0.0, 0.0)
    (box,) = ndimage.find_objects((found | drawn).astype(np.uint8))
    found, drawn = _surface(found[box]), _surface(drawn[box])
    there, back = _distances(found, drawn, spacing_mm), _distances(drawn, found, spacing_mm)
    hd95 = max(float(np.percentile(one, _PERCENTILE)) for one in (there, back))
    return SurfaceDistance(hd95, float(np.concatenate((there, back)).mean()))


def _surface(mask: _Mask) -> _Mask:
    return mask & ~ndimage.binary_erosion(mask)


def _distances(one: _Mask, other: _Mask, spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the distance of every voxel of one surface to the other surface."""
    distances: NDArray[np.float64] = ndimage.distance_transform_edt(~other, sampling=spacing_mm)[one]
    return distances
