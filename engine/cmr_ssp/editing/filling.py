"""Fills what is missing between drawn slices, and merges proposals with what a person decided."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.outlines import Outline, Plane, region_of, with_region
from cmr_ssp.editing.shapes import Spacing, between

_ORDER = (Outline.EPI, Outline.ENDO, Outline.RV)
"""From outside to inside, so that each finds what it must stay within."""

_DRAWN_BY = {Outline.EPI: Structure.MYO, Outline.ENDO: Structure.LV, Outline.RV: Structure.RV}
"""The structure without which an outline is not drawn: a cavity alone has no epicardium."""


def interpolated_slices(labels: NDArray[np.uint8], spacing_mm: Spacing) -> dict[int, Plane]:
    """Return the slices between drawn ones with each outline interpolated.

    Parameters
    ----------
    labels : ndarray of uint8, shape (slice, row, column)
        Of one frame; left unchanged.
    spacing_mm : tuple of float
        Of rows and columns.

    Returns
    -------
    dict of int to ndarray
        Labels of each slice that gains an outline; outlines that it has already stay as they are.
    """
    found: dict[int, Plane] = {}
    for outline in _ORDER:
        drawn = [k for k, plane in enumerate(labels) if (plane == _DRAWN_BY[outline]).any()]
        regions = {k: region_of(labels[k], outline) for k in drawn}
        for first, second in pairwise(drawn):
            for k in range(first + 1, second):
                share = (k - first) / (second - first)
                region = between(regions[first], regions[second], share, spacing_mm)
                found[k] = with_region(found.get(k, labels[k]), outline, region)
    return found


def merged(kept: Plane, proposal: Plane, locked: Collection[Structure]) -> Plane:
    """Return a proposal in which locked structures stay exactly as they are in `kept`.

    Parameters
    ----------
    kept, proposal : ndarray of uint8, shape (row, column)
        Labels of one slice.
    locked : collection of Structure
        What the proposal must not change; it also takes no pixel from it.
    """
    of_kept = np.isin(kept, list(locked))
    of_proposal = np.where(np.isin(proposal, list(locked)), np.uint8(0), proposal)
    return np.where(of_kept, kept, of_proposal)
