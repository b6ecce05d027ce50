"""What contour tools edit: the outlines of the LV cavity, of the LV wall from outside, and of the RV cavity.

The myocardium has no outline of its own: it is what lies between endocardium and epicardium.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure

Plane = NDArray[np.uint8]
"""Labels of one slice, shape (row, column): 0 or a `Structure` number."""

Region = NDArray[np.bool_]
"""The pixels inside an outline, shape (row, column)."""


class Outline(StrEnum):
    """A border that people draw."""

    ENDO = "endo"
    EPI = "epi"
    RV = "RV"


def region_of(labels: Plane, outline: Outline) -> Region:
    """Return the pixels inside an outline; those inside the epicardium include the LV cavity."""
    if outline is Outline.EPI:
        return np.asarray((labels == Structure.LV) | (labels == Structure.MYO))
    return np.asarray(labels == (Structure.LV if outline is Outline.ENDO else Structure.RV))


def with_region(labels: Plane, outline: Outline, region: Region, *, overwrite: bool = False) -> Plane:
    """Return the labels of a slice with another region inside one outline.

    Parameters
    ----------
    labels : ndarray of uint8, shape (row, column)
        Left unchanged.
    outline : Outline
        Which one changes.
    region : ndarray of bool, shape (row, column)
        The pixels that should lie inside it.
    overwrite : bool
        Whether the region may take pixels from other structures. Otherwise the endocardium stays within an
        existing epicardium, the epicardium stays around the LV cavity, and LV and RV leave each other alone.

    Notes
    -----
    Pixels that the endocardium gives up become myocardium if the slice has any, as the epicardium stays where
    it is; all other pixels that are given up become background.
    """
    cavity, wall, right = (labels == structure for structure in Structure)
    epicardium = cavity | wall
    changed = labels.copy()
    if outline is Outline.RV:
        region = region if overwrite else region & ~epicardium
        changed[right] = 0
        changed[region] = Structure.RV
        return changed
    region = region if overwrite else region & ~right
    if outline is Outline.EPI:
        changed[epicardium] = 0
        changed[region] = Structure.MYO
        changed[cavity & region if overwrite else cavity] = Structure.LV
        return changed
    has_wall = bool(wall.any())
    region = region & epicardium if has_wall and not overwrite else region
    changed[cavity] = Structure.MYO if has_wall else 0
    changed[region] = Structure.LV
    return changed
