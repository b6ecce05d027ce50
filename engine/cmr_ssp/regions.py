"""Connected parts and holes of regions, for everything that cleans up labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Region = NDArray[np.bool_]
"""The pixels of a region, shape (row, column), or its voxels, shape (slice, row, column)."""


def parts_of(region: Region, *, diagonals: bool = False) -> NDArray[np.intp]:
    """Return the number of pixels of each connected part of a region.

    Parameters
    ----------
    region : ndarray of bool
        Of any number of axes.
    diagonals : bool
        Whether pixels that only share a corner belong together; otherwise they share an edge.
    """
    return np.asarray(np.bincount(_numbered(region, diagonals).ravel())[1:])


def largest_part(region: Region, *, diagonals: bool = False) -> Region:
    """Return the largest connected part of a region; parameters as for `parts_of`."""
    parts = _numbered(region, diagonals)
    sizes = np.bincount(parts.ravel())[1:]
    return np.asarray(parts == 1 + int(sizes.argmax())) if len(sizes) > 1 else region


def tidied(region: Region) -> Region:
    """Return the largest part of a region (pixels that share an edge) without holes."""
    return np.asarray(ndimage.binary_fill_holes(largest_part(region)))


def _numbered(region: Region, diagonals: bool) -> NDArray[np.int32]:
    """Return the number of the part to which each pixel belongs, from 1; 0 outside."""
    reach = ndimage.generate_binary_structure(region.ndim, region.ndim if diagonals else 1)
    return np.asarray(ndimage.label(region, structure=reach)[0])
