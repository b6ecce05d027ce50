"""Thickness of the LV wall in every direction of a short-axis slice.

The thickness in a direction is the diameter of the largest disc that fits between endocardium and epicardium
with its centre on the middle line of the wall. For a ring it is the difference of the radii, in every
direction; unlike the distance along a ray it does not grow where the ray meets the wall at an angle, and
unlike chords across the wall it exists for every shape. Both contours are found between the pixels and
smoothed without shrinking, so pixels may be large and oblong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cmr_ssp.anatomy import Structure
from cmr_ssp.function.insertions import RvContact, rv_contact
from cmr_ssp.function.radial import RadialContour, directions, filled_largest, trace

N_DIRECTIONS = 120
"""Directions per slice, three degrees apart."""

CLOSED_SHARE = 0.95
"""A wall is closed if it lies in at least this share of the directions: one lost pixel does not open it."""

_GAP_MARGIN = 5
_LEAST_WALL = 0.25
_LEAST_PIXELS = 9
_HALVINGS = 16


@dataclass(frozen=True, slots=True, eq=False)
class SliceWall:
    """The LV wall of one slice.

    Attributes
    ----------
    frame, slice_ : int
        Where it is, counted from 0.
    thickness_mm : ndarray of float64, shape (direction,)
        In the directions of `directions`, seen from `centre`; NaN where there is no wall, as at the outflow
        tract, and within 15 degrees of such a gap.
    closed : bool
        Whether the wall surrounds the cavity.
    centre : tuple of float
        Row and column of the centre of LV cavity and wall, in pixels.
    rv : RvContact or None
        Where the RV touches the wall; None without RV or contact.
    has_cavity : bool
        False in an apical cap, where the slice has wall but no cavity: it has no thickness in its plane.
    """

    frame: int
    slice_: int
    thickness_mm: NDArray[np.float64]
    closed: bool
    centre: tuple[float, float]
    rv: RvContact | None = None
    has_cavity: bool = True

    @property
    def mean_mm(self) -> float | None:
        """Mean thickness in mm, None if there is none."""
        known = self.thickness_mm[~np.isnan(self.thickness_mm)]
        return float(known.mean()) if known.size else None

    @property
    def sentence(self) -> str:
        """What was measured, in words."""
        place = f"Slice {self.slice_}, frame {self.frame}"
        if self.mean_mm is None:
            return f"{place}: the wall thickness is not available."
        known = self.thickness_mm[~np.isnan(self.thickness_mm)]
        span = f"{known.min():.1f} to {known.max():.1f}"
        text = f"{place}: the LV wall is {self.mean_mm:.1f} mm thick ({span} mm)"
        return f"{text}." if self.closed else f"{text} where it was drawn; it does not surround the cavity."


Walls = dict[tuple[int, int], SliceWall]
"""The walls of a stack by frame and slice. After an edit of one slice only its entry has to be replaced."""


def stack_walls(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float, float],
    frames: Iterable[int] | None = None,
) -> Walls:
    """Measure all slices that have a wall.

    Parameters
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    spacing_mm : tuple of float
        Distance between slices, rows and columns.
    frames : iterable of int, optional
        Which to measure; by default all.
    """
    chosen = range(len(labels)) if frames is None else frames
    places = ((frame, slice_) for frame in chosen for slice_ in range(labels.shape[1]))
    found = (slice_wall(labels[place], spacing_mm[1:], *place) for place in places)
    return {(wall.frame, wall.slice_): wall for wall in found if wall is not None}


def slice_wall(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float], frame: int = 0, slice_: int = 0
) -> SliceWall | None:
    """Measure one slice.

    Parameters
    ----------
    labels : ndarray of uint8, shape (row, column)
        0 or a `Structure` number.
    spacing_mm : tuple of float
        Distance between rows and columns.
    frame, slice_ : int
        Kept in the result.

    Returns
    -------
    SliceWall or None
        None without myocardium: not drawn, or below the apex. A cavity of less than nine pixels is none.
    """
    near = _around(labels)
    if near is None:
        return None
    corner, plane = near
    wall, cavity = plane == Structure.MYO, plane == Structure.LV
    epi = filled_largest(wall | cavity)
    endo = filled_largest(cavity & epi)
    has_cavity = bool(np.count_nonzero(endo) >= _LEAST_PIXELS)
    outer = trace(epi, spacing_mm)
    thickness, has_wall = np.full(N_DIRECTIONS, np.nan), np.zeros(N_DIRECTIONS, bool)
    if has_cavity:
        thickness, middle_mm = _thickness(trace(endo, spacing_mm), outer)
        row, column = (middle_mm / np.array(spacing_mm)).T
        has_wall = (
            ndimage.map_coordinates((wall & epi).astype(np.float32), [row, column], order=1) > _LEAST_WALL
        )
        thickness[~_apart_from_gaps(has_wall)] = np.nan
    row, column = outer.centre_mm / np.array(spacing_mm)
    return SliceWall(
        frame,
        slice_,
        thickness,
        closed=bool(has_cavity and has_wall.mean() >= CLOSED_SHARE),
        centre=(float(row + corner[0]), float(column + corner[1])),
        rv=rv_contact(plane == Structure.RV, outer, spacing_mm),
        has_cavity=has_cavity,
    )


def _around(labels: NDArray[np.uint8]) -> tuple[tuple[int, int], NDArray[np.uint8]] | None:
    """Cut out what is labelled, with a margin of zeros; None if no myocardium is big enough."""
    if np.count_nonzero(labels == Structure.MYO) < _LEAST_PIXELS:
        return None
    rows, columns = (np.flatnonzero((labels > 0).any(axis)) for axis in (1, 0))
    plane = labels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return (int(rows[0]) - 2, int(columns[0]) - 2), np.pad(plane, 2)


def _thickness(endo: RadialContour, epi: RadialContour) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return diameters and centres of the largest discs, on rays from the centre of the epicardium.

    On a ray, the middle line is where both contours are equally far: nearer to the centre the endocardium is
    closer, beyond it the epicardium.
    """
    inner, outer = cKDTree(endo.points_mm), cKDTree(epi.points_mm)
    angles = directions(N_DIRECTIONS)
    ray = np.column_stack([np.sin(angles), np.cos(angles)])
    low, high = np.zeros(N_DIRECTIONS), np.full(N_DIRECTIONS, epi.radius_mm.max() * 1.5)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        points = epi.centre_mm + middle[:, None] * ray
        is_beyond = inner.query(points)[0] > outer.query(points)[0]
        low, high = np.where(is_beyond, low, middle), np.where(is_beyond, middle, high)
    points = epi.centre_mm + low[:, None] * ray
    return np.asarray(inner.query(points)[0] + outer.query(points)[0], np.float64), points


def _apart_from_gaps(has_wall: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out the directions next to a gap, where the wall has a rounded end."""
    size = 2 * _GAP_MARGIN + 1
    return np.asarray(ndimage.minimum_filter(has_wall, size, mode="wrap"))
