"""The push tool: a disc that bulges or dents the contour it touches."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import numpy as np

from cmr_ssp.editing.outlines import Outline, Plane, region_of, with_region
from cmr_ssp.editing.shapes import Point, Spacing, signed_distance, swept_disc
from cmr_ssp.regions import tidied

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
        distances = {
            outline: _distance_at(labels, outline, centre, spacing_mm)
            for outline in Outline
            if outline in outlines
        }
        nearest = min(distances, key=lambda outline: abs(distances[outline]), default=None)
        if nearest is None or abs(distances[nearest]) > radius_mm:
            return None
        bulges = distances[nearest] <= 0
        is_near = abs(distances[nearest]) <= _HYSTERESIS * radius_mm
        if last is not None and last.outline is nearest and is_near:
            bulges = last.bulges
        return cls(nearest, bulges, radius_mm, spacing_mm)

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


def _distance_at(labels: Plane, outline: Outline, centre: Point, spacing_mm: Spacing) -> float:
    """Return the signed distance of a point to an outline, that of the nearest pixel outside the image."""
    distance = signed_distance(region_of(labels, outline), spacing_mm)
    row, column = (
        min(max(round(place), 0), size - 1) for place, size in zip(centre, labels.shape, strict=True)
    )
    return float(distance[row, column]) if np.isfinite(distance[row, column]) else float("inf")
