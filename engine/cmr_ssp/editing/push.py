"""The push tool: a disc that bulges or dents the contour it touches."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.editing.outlines import Outline, Plane, region_of, with_region
from cmr_ssp.editing.shapes import Point, Spacing, signed_distance, swept_disc
from cmr_ssp.regions import tidied

_STEP = 0.25
"""Share of the radius by which a disc moves on between two looks for a contour."""
_HYSTERESIS = 0.25
"""Share of the radius within which a stroke that begins on the contour goes on as the one before."""


@dataclass(frozen=True, slots=True)
class Push:
    """One stroke of the push tool, from pressing the button to releasing it.

    Attributes
    ----------
    outline : Outline
        The contour that is pushed.
    bulges : bool
        Whether the disc pushes from inside; otherwise it dents the contour from outside.
    radius_mm : float
        Of the disc.
    spacing_mm : tuple of float
        Of rows and columns.
    """

    outline: Outline
    bulges: bool
    radius_mm: float
    spacing_mm: Spacing

    @classmethod
    def begin(
        cls,
        labels: Plane,
        centre: Point,
        radius_mm: float,
        spacing_mm: Spacing,
        *,
        outlines: Collection[Outline] = tuple(Outline),
        last: Push | None = None,
    ) -> Self | None:
        """Return a stroke that pushes the contour nearest to the disc's centre.

        Parameters
        ----------
        labels : ndarray of uint8, shape (row, column)
            Of the slice.
        centre : tuple of float
            Row and column of the disc in pixels.
        radius_mm, spacing_mm
            As for the attributes.
        outlines : collection of Outline
            Those that may be pushed.
        last : Push, optional
            The stroke before. A stroke that begins very near to the same contour continues in its direction,
            so that a hand that begins a pixel too far does not push the wrong way.

        Returns
        -------
        Push or None
            None if the disc touches no contour.
        """
        touch = _Touch.of(labels, outlines, radius_mm, spacing_mm).at(centre)
        if touch is None:
            return None
        outline, distance = touch
        bulges = distance <= 0
        if last is not None and last.outline is outline and abs(distance) <= _HYSTERESIS * radius_mm:
            bulges = last.bulges
        return cls(outline, bulges, radius_mm, spacing_mm)

    @classmethod
    def begin_on_way(
        cls, labels: Plane, start: Point, end: Point, radius_mm: float, spacing_mm: Spacing
    ) -> tuple[Self, Point] | None:
        """Return a stroke that begins where a moving disc first touches a contour, and that place.

        Parameters
        ----------
        labels, radius_mm, spacing_mm
            As for `begin`.
        start, end : tuple of float
            Row and column of the disc in pixels; it moves straight.

        Returns
        -------
        tuple of Push and tuple of float, or None
            None if it touches no contour.
        """
        touch = _Touch.of(labels, tuple(Outline), radius_mm, spacing_mm)
        way_mm = np.subtract(end, start) * spacing_mm
        n_steps = max(1, math.ceil(float(np.hypot(*way_mm)) / (_STEP * radius_mm)))
        for row, column in np.linspace(start, end, n_steps + 1)[1:].tolist():
            if (touched := touch.at((row, column))) is not None:
                outline, distance = touched
                return cls(outline, distance <= 0, radius_mm, spacing_mm), (row, column)
        return None

    def move(self, labels: Plane, start: Point, end: Point, *, overwrite: bool = False) -> Plane:
        """Return the labels of the slice after the disc moved; see `with_region` for `overwrite`."""
        disc = swept_disc((labels.shape[0], labels.shape[1]), start, end, self.radius_mm, self.spacing_mm)
        region = region_of(labels, self.outline)
        region = region | disc if self.bulges else region & ~disc
        return with_region(labels, self.outline, region, overwrite=overwrite)

    def end(self, labels: Plane, *, overwrite: bool = False) -> Plane:
        """Return the labels of the slice without the fragments and holes that the stroke left."""
        region = tidied(region_of(labels, self.outline))
        return with_region(labels, self.outline, region, overwrite=overwrite)


@dataclass(frozen=True, slots=True, eq=False)
class _Touch:
    """Signed distances in mm of every pixel to each outline, inside below 0, and how far the disc reaches."""

    distances: Mapping[Outline, NDArray[np.float64]]
    radius_mm: float

    @classmethod
    def of(
        cls, labels: Plane, outlines: Collection[Outline], radius_mm: float, spacing_mm: Spacing
    ) -> _Touch:
        ordered = (outline for outline in Outline if outline in outlines)
        return cls(
            {each: signed_distance(region_of(labels, each), spacing_mm) for each in ordered}, radius_mm
        )

    def at(self, centre: Point) -> tuple[Outline, float] | None:
        """Return the nearest outline that a disc touches, and its distance; outside, that at the edge."""
        near: tuple[Outline, float] | None = None
        for outline, distances in self.distances.items():
            row, column = (
                min(max(round(place), 0), size - 1)
                for place, size in zip(centre, distances.shape, strict=True)
            )
            distance = float(distances[row, column])
            if abs(distance) <= self.radius_mm and (near is None or abs(distance) < abs(near[1])):
                near = outline, distance
        return near
