"""The AHA segments of the LV: which level is a slice, and which segment lies in a direction.

Numbers and names follow Cerqueira et al., Circulation 2002;105:539: six basal, six mid and four apical
segments, and the apex. The septum (2, 3; 8, 9) lies between the insertions of the RV and is halved, the free
wall is quartered: 60 degrees each where the septum spans 120. The apical segments span 90 degrees, with the
middle of the septum in the middle of 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import LabelError
from cmr_ssp.function.insertions import RvContact
from cmr_ssp.function.radial import directions
from cmr_ssp.subjects import Grid, SliceOrder

USUAL_SEPTUM_DEG = 120.0
"""What the septum spans if only the anterior insertion is known."""

APEX = 17

_WALLS = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
_APICAL_WALLS = ("anterior", "septal", "inferior", "lateral")
_LEAST_SLICES = 3
WHERE = "AHA segments"
"""What errors name as their place."""


class Level(StrEnum):
    """A part of the LV along its axis."""

    BASAL = "basal"
    MID = "mid"
    APICAL = "apical"
    APEX = "apex"


SEGMENT_NAMES: dict[int, str] = dict(
    enumerate(
        [
            *(f"basal {wall}" for wall in _WALLS),
            *(f"mid {wall}" for wall in _WALLS),
            *(f"apical {wall}" for wall in _APICAL_WALLS),
            "apex",
        ],
        start=1,
    )
)
"""Name of each segment by its number."""


def level_of(segment: int) -> Level:
    """Return the level of a segment, 1 to 17."""
    return Level(SEGMENT_NAMES[segment].split()[0])


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the slices of an array lie in the patient.

    Attributes
    ----------
    base_first : bool
        Whether slice 0 is the most basal one, otherwise the most apical one.
    mirrored : bool
        Whether the slices are mirror images of the usual view from the apex, with row 0 at the top: there,
        the RV is left if the anterior wall is at the top.
    """

    base_first: bool = True
    mirrored: bool = False

    @classmethod
    def of(cls, grid: Grid) -> Self | None:
        """Read it from the affine of a file; None if the affine does not know the patient."""
        if grid.slice_order is SliceOrder.UNKNOWN:
            return None
        column, row, slice_ = np.asarray(grid.affine[:3, :3], np.float64).T
        towards_apex = -slice_ if grid.slices_reversed else slice_
        return cls(mirrored=bool(np.cross(column, row) @ towards_apex > 0))


@dataclass(frozen=True, slots=True)
class Insertions:
    """The insertions of the RV, as directions from the centre of the LV.

    Attributes
    ----------
    anterior_deg : float
        Of the anterior insertion, in degrees as in `directions`.
    septum_deg : float
        What the septum spans from there to the inferior insertion; negative against the growing angles.
    """

    anterior_deg: float
    septum_deg: float

    @property
    def inferior_deg(self) -> float:
        """Direction of the inferior insertion, 0 to 360."""
        return (self.anterior_deg + self.septum_deg) % 360

    @classmethod
    def at(
        cls,
        anterior: tuple[float, float],
        inferior: tuple[float, float] | None,
        centre: tuple[float, float],
        spacing_mm: tuple[float, float],
        *,
        mirrored: bool = False,
    ) -> Self:
        """Take points that a person chose.

        Parameters
        ----------
        anterior, inferior : tuple of float
            Row and column of each insertion in pixels. Without the inferior one, the septum spans 120
            degrees.
        centre : tuple of float
            Row and column of the centre of the LV, such as `SliceWall.centre`.
        spacing_mm : tuple of float
            Distance between rows and columns.
        mirrored : bool
            As in `Orientation`; needed only without the inferior insertion. With both, the septum is the
            shorter way between them.
        """
        first = _direction_deg(anterior, centre, spacing_mm)
        if inferior is None:
            return cls(first, USUAL_SEPTUM_DEG if mirrored else -USUAL_SEPTUM_DEG)
        return cls(first, (_direction_deg(inferior, centre, spacing_mm) - first + 180) % 360 - 180)

    @classmethod
    def among(cls, contacts: Sequence[RvContact], *, mirrored: bool) -> Self:
        """Take the mean of the contacts of several slices (at least one) with the RV."""
        starts = _mean_deg([contact.start_deg for contact in contacts])
        ends = _mean_deg([contact.end_deg for contact in contacts])
        arc = (ends - starts) % 360
        return cls(starts, arc) if mirrored else cls(ends, -arc)


def levels_of(slices: Sequence[int], *, base_first: bool) -> dict[int, Level]:
    """Divide the slices between the first and the last of `slices` into thirds.

    Raises
    ------
    LabelError
        If they are fewer than three.
    """
    if len(slices) < _LEAST_SLICES:
        what = f"only {len(slices)} slices have a cavity that is surrounded by myocardium; three are needed"
        raise LabelError.of(WHERE, what, "Draw the myocardium in more slices at end diastole.")
    span = range(min(slices), max(slices) + 1)
    thirds = [Level.BASAL, Level.MID, Level.APICAL]
    place = {slice_: (number + 0.5) / len(span) for number, slice_ in enumerate(span)}
    return {slice_: thirds[int(3 * (share if base_first else 1 - share))] for slice_, share in place.items()}


def segments_of_directions(level: Level, insertions: Insertions, n: int) -> NDArray[np.uint8]:
    """Return the segment in each of `n` `directions` of a slice."""
    if level is Level.APEX:
        return np.full(n, APEX, np.uint8)
    arc = abs(insertions.septum_deg)
    sense = 1 if insertions.septum_deg > 0 else -1
    from_anterior = sense * (np.rad2deg(directions(n)) - insertions.anterior_deg) % 360
    if level is Level.APICAL:
        quarter = ((from_anterior - arc / 2 + 45) % 360 // 90).astype(int)
        return np.asarray(np.array([14, 15, 16, 13], np.uint8)[quarter % 4])
    free = 4 * (from_anterior - arc) / (360 - arc)
    part = np.where(from_anterior < arc, 2 * from_anterior / arc, 2 + free).astype(int)
    numbers = np.array([2, 3, 4, 5, 6, 1], np.uint8)[np.clip(part, 0, 5)]
    return np.asarray(numbers + (6 if level is Level.MID else 0), np.uint8)


def _direction_deg(
    point: tuple[float, float], centre: tuple[float, float], spacing_mm: tuple[float, float]
) -> float:
    row, column = (np.array(point) - centre) * spacing_mm
    return float(np.rad2deg(np.arctan2(row, column)) % 360)


def _mean_deg(angles: Sequence[float]) -> float:
    return float(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(angles)).mean())) % 360)
