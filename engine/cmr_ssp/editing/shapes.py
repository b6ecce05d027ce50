"""Regions of one slice as shapes: discs, distances, growth, smoothing and what lies between two of them.

A pixel belongs to a shape if its centre does. Distances are in mm, so pixels may be oblong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_ssp.editing.outlines import Region

Point = tuple[float, float]
"""Row and column in pixels; whole numbers are pixel centres."""

Spacing = tuple[float, float]
"""Distance between the centres of rows and of columns in mm."""


def swept_disc(
    shape: tuple[int, int], start: Point, end: Point, radius_mm: float, spacing_mm: Spacing
) -> Region:
    """Return the pixels that a disc covers on its straight way between two points.

    Without a way, a mouse that moves fast would leave a row of separate discs.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    start, end : tuple of float
        Row and column of the disc's centre in pixels.
    radius_mm : float
        Of the disc.
    spacing_mm : tuple of float
        Of rows and columns.
    """
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    dy, dx = (rows - start[0]) * spacing_mm[0], (columns - start[1]) * spacing_mm[1]
    way_y, way_x = (end[0] - start[0]) * spacing_mm[0], (end[1] - start[1]) * spacing_mm[1]
    length2 = way_y**2 + way_x**2
    along = np.clip((dy * way_y + dx * way_x) / length2, 0, 1) if length2 > 0 else 0.0
    return np.asarray((dy - along * way_y) ** 2 + (dx - along * way_x) ** 2 <= radius_mm**2)


def signed_distance(region: Region, spacing_mm: Spacing) -> NDArray[np.float64]:
    """Return the distance of every pixel centre to the border of a region in mm, negative inside.

    The border runs halfway between the centres of a pixel inside and one outside. The distance to an empty
    region is infinite.
    """
    if not region.any():
        return np.full(region.shape, np.inf)
    outside = ndimage.distance_transform_edt(~region, sampling=spacing_mm)
    inside = ndimage.distance_transform_edt(region, sampling=spacing_mm)
    half_mm = float(np.mean(spacing_mm)) / 2
    return np.where(region, half_mm - inside, outside - half_mm)


def grown(region: Region, by_mm: float, spacing_mm: Spacing) -> Region:
    """Return a region with its border moved outwards, or inwards if `by_mm` is negative.

    The border moves by at least half a pixel, or nothing would happen on coarse images.
    """
    half_mm = max(spacing_mm) / 2
    by_mm = float(np.copysign(max(abs(by_mm), half_mm), by_mm))
    distance = signed_distance(region, spacing_mm)
    return np.asarray(distance <= by_mm if by_mm > 0 else distance < by_mm)


def smoothed(region: Region, sigma_mm: float, spacing_mm: Spacing) -> Region:
    """Return a region with a smoother border and as many pixels as before.

    Blurring and cutting at one half would shrink convex shapes; here the most covered pixels are kept, as
    many as the region had.
    """
    n_inside = int(region.sum())
    if n_inside in (0, region.size):
        return region.copy()
    sigma = [sigma_mm / mm for mm in spacing_mm]
    blurred = ndimage.gaussian_filter(region.astype(np.float64), sigma, mode="nearest")
    threshold = np.partition(blurred, -n_inside, axis=None)[-n_inside]
    return np.asarray(blurred >= threshold)


def between(first: Region, second: Region, share: float, spacing_mm: Spacing) -> Region:
    """Return the shape between two regions: signed distances interpolated around a moving centre.

    Parameters
    ----------
    first, second : ndarray of bool, shape (row, column)
        Not empty.
    share : float
        0 for the first, 1 for the second.
    spacing_mm : tuple of float
        Of rows and columns.

    Notes
    -----
    Shape-based interpolation (Raya and Udupa, 1990). Both are moved onto the interpolated centre first:
    otherwise two discs side by side would have nothing between them.
    """
    centres = [np.array(ndimage.center_of_mass(region)) for region in (first, second)]
    middle = (1 - share) * centres[0] + share * centres[1]
    distances = [
        ndimage.shift(signed_distance(region, spacing_mm), middle - centre, order=1, mode="nearest")
        for region, centre in zip((first, second), centres, strict=True)
    ]
    return np.asarray((1 - share) * distances[0] + share * distances[1] <= 0)
