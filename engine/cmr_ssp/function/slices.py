"""What is measured in each slice of each frame, so that a change of one slice is measured in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.function.papillary import DEFAULT_THRESHOLD, papillary_pixels

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
    """Measures of every slice of every frame; `measure` renews those of one slice.

    Attributes
    ----------
    pixels : ndarray of int, shape (frame, slice, structure)
        Number of pixels of each `Structure`, in its order.
    surrounded : ndarray of float, shape (frame, slice)
        Share of the border of the LV cavity that touches myocardium, 0 without a cavity.
    papillary : ndarray of int, shape (frame, slice)
        Pixels of papillary muscles and trabeculae among those of the cavity; -1 if unknown.
    """

    pixels: NDArray[np.int64]
    surrounded: NDArray[np.float64]
    papillary: NDArray[np.int64]

    @classmethod
    def empty(cls, n_frames: int, n_slices: int) -> Self:
        """Return the measures of slices in which nothing is drawn."""
        shape = (n_frames, n_slices)
        return cls(
            np.zeros((*shape, len(Structure)), np.int64),
            np.zeros(shape),
            np.full(shape, -1, np.int64),
        )

    @classmethod
    def of(
        cls,
        labels: NDArray[np.uint8],
        pixels: NDArray[np.float32] | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Self:
        """Measure all slices.

        Parameters
        ----------
        labels : ndarray of uint8, shape (frame, slice, row, column)
            0 or a `Structure` number.
        pixels : ndarray of float32, same shape, optional
            The cine, without which papillary muscles are unknown.
        threshold : float
            See `papillary_pixels`.
        """
        measures = cls.empty(*labels.shape[:2])
        for frame, slice_ in np.argwhere(labels.any(axis=(2, 3))):
            image = None if pixels is None else pixels[frame, slice_]
            measures.measure((int(frame), int(slice_)), labels[frame, slice_], image, threshold)
        return measures

    def measure(
        self,
        place: tuple[int, int],
        labels: Plane,
        image: Image | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        """Measure one slice, at (frame, slice), again."""
        self.pixels[place] = np.bincount(labels.ravel(), minlength=1 + len(Structure))[1 : 1 + len(Structure)]
        self.surrounded[place] = surrounded_share(labels)
        self.papillary[place] = -1 if image is None else int(papillary_pixels(labels, image, threshold).sum())

    def drawn(self, frame: int) -> frozenset[Structure]:
        """Return the structures with at least one pixel in a frame."""
        counts = self.pixels[frame].sum(axis=0)
        return frozenset(s for s, count in zip(Structure, counts, strict=True) if count)

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


def surrounded_share(labels: Plane) -> float:
    """Return the share of the border of the LV cavity that touches myocardium; 0 without a cavity.

    The border is the edges of pixels between the cavity and anything else; those of the image's margin count
    as not surrounded.
    """
    padded = np.pad(labels, 1)
    cavity, wall = padded == Structure.LV, padded == Structure.MYO
    n_edges = n_wall = 0
    for axis in (0, 1):
        for shift in (1, -1):
            n_edges += int((cavity & ~np.roll(cavity, shift, axis)).sum())
            n_wall += int((cavity & np.roll(wall, shift, axis)).sum())
    return n_wall / n_edges if n_edges else 0.0
