"""Quality flags: what is implausible about labels, with place and reason.

A flag is raised only if it can be judged: structures that are not labelled, too few frames and an unknown
slice order raise none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.function.shape_facts import ShapeFacts
from cmr_ssp.function.volumes import find_ed_es, voxel_ml
from cmr_ssp.subjects import SliceOrder


class Gravity(StrEnum):
    """How much a flag says: `WRONG` is impossible in a heart, `CHECK` is rare but may be true."""

    WRONG = "wrong"
    CHECK = "check"


class FlagCode(StrEnum):
    """Name of a flag in tables."""

    FEW_PIXELS = "few-pixels"
    SEVERAL_PARTS = "several-parts"
    OPEN_MYOCARDIUM = "open-myocardium"
    RV_TOUCHES_LV = "rv-touches-lv"
    RV_INSIDE_LV = "rv-inside-lv"
    HOLE = "hole"
    ROUGH = "rough"
    ELONGATED = "elongated"
    THIN_WALL = "thin-wall"
    THICK_WALL = "thick-wall"
    MISSING = "missing"
    STACK_GAP = "stack-gap"
    FEW_SLICES = "few-slices"
    RV_MISSING = "rv-missing"
    SHIFT = "shift"
    AREA_STEP = "area-step"
    WIDER_APEX = "wider-apex"
    EJECTION_FRACTION = "ejection-fraction"
    STROKE_VOLUMES = "stroke-volumes"
    MASS = "mass"
    VOLUME_JUMP = "volume-jump"
    SLICE_JUMP = "slice-jump"
    ES_TIME = "es-time"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Flag:
    """Something implausible.

    Attributes
    ----------
    code : FlagCode
    gravity : Gravity
    sentence : str
        For a reader, without the place.
    value : float
        What was measured.
    unit : str
        Of the value; empty for shares and counts.
    frame, slice_index : int or None
        Place, counted from 0; None if it is the whole cine or stack.
    structure : Structure or None
        None if several are concerned.
    """

    code: FlagCode
    gravity: Gravity
    sentence: str
    value: float
    unit: str = ""
    frame: int | None = None
    slice_index: int | None = None
    structure: Structure | None = None


Drawn = Sequence[frozenset[Structure]]
"""Structures that are labelled in each frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The facts about a cine, and what of it can be judged.

    Attributes
    ----------
    facts : ShapeFacts
    drawn : ndarray of bool, shape (frame, 3)
        Whether a structure is labelled in a frame; entry ``structure - 1``.
    base_first : bool
        False if the slice order is unknown.
    phases : Mapping of Phase to int
        Frames of ED and ES; empty if unknown.
    """

    facts: ShapeFacts
    drawn: NDArray[np.bool_]
    base_first: bool
    phases: Mapping[Phase, int]

    @classmethod
    def of(
        cls,
        facts: ShapeFacts,
        drawn: Drawn | None = None,
        slice_order: SliceOrder = SliceOrder.UNKNOWN,
        phases: Mapping[Phase, int] | None = None,
    ) -> Judged:
        """Decide what can be judged.

        Parameters
        ----------
        facts : ShapeFacts
            As measured by `measure_shapes`.
        drawn : sequence of frozenset, optional
            Structures labelled in each frame; by default those with at least one voxel. A network labels
            all of them, so for its segmentations give all.
        slice_order : SliceOrder
            Of the stack's grid.
        phases : Mapping of Phase to int, optional
            Frames of ED and ES; by default found by the volume of the LV.
        """
        found = facts.pixels.sum(axis=1) > 0
        if drawn is not None:
            found = np.array([[structure in here for structure in Structure] for here in drawn], bool)
        judged = cls(facts, found, slice_order is SliceOrder.BASE_FIRST, phases or {})
        if phases is None:
            volumes = zip(judged.ml(Structure.LV).tolist(), judged.has(Structure.LV), strict=True)
            ed_es = find_ed_es([ml if is_drawn else None for ml, is_drawn in volumes])
            return cls(facts, found, judged.base_first, ed_es)
        return judged

    def has(self, *structures: Structure) -> NDArray[np.bool_]:
        """Return whether all of these are labelled in each frame."""
        return np.asarray(self.drawn[:, [structure - 1 for structure in structures]].all(axis=1))

    def ml(self, structure: Structure) -> NDArray[np.float64]:
        """Return the volume of a structure in each frame in ml."""
        return np.asarray(self.facts.count(structure).sum(axis=1) * voxel_ml(self.facts.spacing_mm))
