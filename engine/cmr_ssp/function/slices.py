"""What is measured in each slice of each frame, so that a change of one slice is measured in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.function.papillary import DEFAULT_THRESHOLD, papillary_pixels
from cmr_ssp.function.shape_facts import ShapeFacts, measure_shapes

Plane = NDArray[np.uint8]
"""Labels of one slice, shape (row, column)."""

Image = NDArray[np.float32]
"""Pixels of one slice, shape (row, column)."""


class SliceRule(StrEnum):
    """Which drawn slices of the LV count, unless a person decided otherwise.

    AS_DRAWN counts every slice in which the cavity is drawn. HALF_WALL counts a slice only if myocardium
    surrounds at least half of the cavity: the rule of the Society for Cardiovascular Magnetic Resonance for
    the basal slice (Schulz-Menger et al., 2020, doi 10.1186/s12968-020-00610-6).
    """

    AS_DRAWN = "as drawn"
    HALF_WALL = "half wall"


LEAST_SURROUNDED = 0.5
"""Share of the border of the cavity that is wall in a slice that counts by `SliceRule.HALF_WALL`."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceMeasures:
    """Measures of every slice of every frame; `measured_again` renews those of one slice.

    Attributes
    ----------
    facts : ShapeFacts
        Pixels and shapes of the structures.
    papillary : ndarray of int, shape (frame, slice)
        Pixels of papillary muscles and trabeculae among those of the cavity; -1 if unknown.
    """

    facts: ShapeFacts
    papillary: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        labels: NDArray[np.uint8],
        spacing_mm: tuple[float, float, float],
        pixels: NDArray[np.float32] | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Self:
        """Measure all slices.

        Parameters
        ----------
        labels : ndarray of uint8, shape (frame, slice, row, column)
            0 or a `Structure` number.
        spacing_mm : tuple of float
            Distance between the centres of slices, rows and columns.
        pixels : ndarray of float32, same shape, optional
            The cine, without which papillary muscles are unknown.
        threshold : float
            See `papillary_pixels`.
        """
        papillary = np.full(labels.shape[:2], -1, np.int64)
        if pixels is not None:
            for place in np.ndindex(*labels.shape[:2]):
                papillary[place] = papillary_pixels(labels[place], pixels[place], threshold).sum()
        return cls(measure_shapes(labels, spacing_mm), papillary)

    def measured_again(
        self,
        place: tuple[int, int],
        labels: Plane,
        image: Image | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Self:
        """Return the measures after the slice at (frame, slice) changed."""
        papillary = self.papillary.copy()
        papillary[place] = -1 if image is None else papillary_pixels(labels, image, threshold).sum()
        return replace(self, facts=self.facts.remeasured(labels, *place), papillary=papillary)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Number of pixels of each `Structure`, in its order; shape (frame, slice, structure)."""
        return self.facts.pixels

    @property
    def surrounded(self) -> NDArray[np.float64]:
        """Share of the border of the LV cavity that touches wall, shape (frame, slice)."""
        return np.nan_to_num(1 - self.facts.open_share)

    def counting(self, rule: SliceRule) -> NDArray[np.bool_]:
        """Return which slices count for the LV by a rule, shape (frame, slice).

        Frames without any myocardium, such as the end systole of cohorts that drew only the cavity, count as
        drawn: there is no wall to judge by.
        """
        cavity = self.pixels[..., 0] > 0
        if rule is SliceRule.AS_DRAWN:
            return cavity
        has_wall = self.pixels[..., 1].sum(axis=1, keepdims=True) > 0
        return np.asarray(cavity & ((self.surrounded >= LEAST_SURROUNDED) | ~has_wall))
