"""What a person can decide about the measurement, and what is known about the scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.function.body import HEIGHT_CM, RATE_BPM, WEIGHT_KG
from cmr_ssp.function.papillary import DEFAULT_THRESHOLD
from cmr_ssp.function.segments import Orientation
from cmr_ssp.function.slices import SliceRule
from cmr_ssp.function.tidying import Step
from cmr_ssp.subjects import CineStack, SliceOrder

SliceChoice = tuple[Phase, Structure, int]
"""Phase, LV or RV, and slice counted from 0."""


class PapillarySide(StrEnum):
    """Whether papillary muscles and trabeculae belong to the cavity, as ACDC draws them, or to the wall."""

    CAVITY = "cavity"
    WALL = "wall"


@dataclass(frozen=True, slots=True)
class FunctionChoices:
    """How function is measured.

    Attributes
    ----------
    phases : Mapping of Phase to int
        0-based frames of ED and ES; those that are missing are found by the volume of the LV.
    rv_has_own_phases : bool
        Whether the RV is measured where it is largest and smallest, rather than at ED and ES of the LV.
    rule : SliceRule
        Which drawn slices of the LV count.
    counted : Mapping of (Phase, Structure, int) to bool
        Slices of LV or RV that a person counted or left out, whatever the rule says.
    papillary_side : PapillarySide
        Where papillary muscles are counted; the wall needs the image.
    papillary_threshold : float
        See `papillary_pixels`.
    tidying : frozenset of Step
        Post-processing before anything is measured; by default none.
    height_cm, weight_kg, heart_rate_bpm : float or None
        Of the person, as entered.

    Raises
    ------
    CmrSspError
        If height, weight or heart rate is implausible, which mostly means another unit.
    """

    phases: Mapping[Phase, int] = field(default_factory=dict)
    rv_has_own_phases: bool = False
    rule: SliceRule = SliceRule.HALF_WALL
    counted: Mapping[SliceChoice, bool] = field(default_factory=dict)
    papillary_side: PapillarySide = PapillarySide.CAVITY
    papillary_threshold: float = DEFAULT_THRESHOLD
    tidying: frozenset[Step] = frozenset()
    height_cm: float | None = None
    weight_kg: float | None = None
    heart_rate_bpm: float | None = None

    def __post_init__(self) -> None:
        problems = [
            Problem(name, f"{value:g} is implausible", f"Give it in {unit}: {low:g} to {high:g}.")
            for name, value, unit, (low, high) in (
                ("height", self.height_cm, "cm", HEIGHT_CM),
                ("weight", self.weight_kg, "kg", WEIGHT_KG),
                ("heart rate", self.heart_rate_bpm, "beats per minute", RATE_BPM),
            )
            if value is not None and not low <= value <= high
        ]
        if problems:
            raise CmrSspError(*problems)


@dataclass(frozen=True, slots=True)
class Scan:
    """Geometry and time of a cine.

    Attributes
    ----------
    spacing_mm : tuple of float
        Distance between the centres of slices (gap included), rows and columns.
    frame_spacing_s : float or None
        Time between frames, as stored; it may be implausible.
    heart_rate_bpm : float or None
        From the DICOM header.
    orientation : Orientation or None
        How the slices lie in the patient, None if the file does not know it.
    """

    spacing_mm: tuple[float, float, float]
    frame_spacing_s: float | None = None
    heart_rate_bpm: float | None = None
    orientation: Orientation | None = None

    @classmethod
    def of(cls, stack: CineStack) -> Self:
        """Return what is known about a cine."""
        header = stack.acquisition.heart_rate_bpm if stack.acquisition is not None else None
        orientation = Orientation.of(stack.grid)
        return cls(stack.spacing_mm, stack.frame_spacing_s, header, orientation)

    @property
    def slice_order(self) -> SliceOrder:
        """Whether slice 0 is known to be the most basal one."""
        is_base_first = self.orientation is not None and self.orientation.base_first
        return SliceOrder.BASE_FIRST if is_base_first else SliceOrder.UNKNOWN
