"""Wall thickness and thickening of the AHA segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import LabelError
from cmr_ssp.function.segments import (
    APEX,
    SEGMENT_NAMES,
    WHERE,
    Insertions,
    Level,
    Orientation,
    level_of,
    levels_of,
    segments_of_directions,
)
from cmr_ssp.function.walls import N_DIRECTIONS, SliceWall, Walls

_LEAST_SHARE = 0.75
_NO_WALL = "no slice has wall in most of it"
_CAP = "short-axis slices do not cross the wall of the apex"


@dataclass(frozen=True, slots=True)
class AhaModel:
    """The segments of one exam.

    Attributes
    ----------
    levels : Mapping of int to Level
        Level of each slice that belongs to the segments.
    insertions : Insertions
        Insertions of the RV, for all slices and frames.
    ed : int
        The frame of end diastole, which decides both.
    """

    levels: Mapping[int, Level]
    insertions: Insertions
    ed: int

    @property
    def segments(self) -> range:
        """The numbers: 1 to 16, and 17 if a slice shows the apical cap."""
        return range(1, APEX + (Level.APEX in self.levels.values()))

    def segment_in_directions(self, slice_: int) -> NDArray[np.uint8]:
        """Return the segment in each direction of a slice of the model, shape (direction,)."""
        return segments_of_directions(self.levels[slice_], self.insertions, N_DIRECTIONS)


@dataclass(frozen=True, slots=True)
class SegmentValue:
    """A measurement of one segment.

    Attributes
    ----------
    segment : int
        AHA number.
    value : float or None
        In `unit`; None if it is not available.
    unit : str
        ``mm`` or ``%``.
    quantity : str
        What was measured, in words.
    frame : int
        The frame; for a thickening, that of end systole.
    slices : tuple of int
        Slices of the measurement.
    reason : str
        Why there is no value.
    """

    segment: int
    value: float | None
    unit: str
    quantity: str
    frame: int
    slices: tuple[int, ...] = ()
    reason: str = ""

    @property
    def name(self) -> str:
        """Name of the segment, such as ``mid inferior``."""
        return SEGMENT_NAMES[self.segment]

    @property
    def sentence(self) -> str:
        """The measurement in words."""
        start = f"Segment {self.segment} ({self.name}), frame {self.frame}: {self.quantity}"
        if self.value is None:
            return f"{start} not available, {self.reason}."
        digits = 1 if self.unit == "mm" else 0
        many = "slice" if len(self.slices) == 1 else "slices"
        return f"{start} {self.value:.{digits}f} {self.unit} ({len(self.slices)} {many})."


def aha_model(
    walls: Walls, ed: int, orientation: Orientation | None, insertions: Insertions | None = None
) -> AhaModel:
    """Find levels and insertions.

    Parameters
    ----------
    walls : dict of SliceWall
        From `stack_walls`, with end diastole.
    ed : int
        Frame of end diastole.
    orientation : Orientation or None
        `Orientation.of` a grid, or what a person says.
    insertions : Insertions, optional
        Chosen by hand. By default the mean over the mid slices in which the RV touches the wall at end
        diastole; the RV of end systole is often too small to show them.

    Raises
    ------
    LabelError
        If the orientation is unknown, fewer than three slices have a closed wall, or the RV is not labelled
        and there are no insertions.
    """
    if orientation is None:
        what = "the order of the slices is unknown, since the file does not know the patient's orientation"
        raise LabelError.of(WHERE, what, "Say whether the first slice is at the base or at the apex.")
    at_ed = {slice_: wall for (frame, slice_), wall in walls.items() if frame == ed}
    closed = [slice_ for slice_, wall in at_ed.items() if wall.closed]
    levels = levels_of(closed, base_first=orientation.base_first)
    beyond = range(max(closed) + 1, max(at_ed) + 1) if orientation.base_first else range(min(closed))
    caps = {slice_ for slice_ in beyond if slice_ in at_ed and not at_ed[slice_].has_cavity}
    levels |= dict.fromkeys(caps, Level.APEX)
    if insertions is None:
        mid = (at_ed.get(slice_) for slice_, level in levels.items() if level is Level.MID)
        contacts = [wall.rv for wall in mid if wall is not None and wall.rv is not None]
        if not contacts:
            what = "the RV is not labelled next to the wall in the mid slices at end diastole"
            raise LabelError.of(WHERE, what, "Mark the anterior insertion of the RV by hand.")
        insertions = Insertions.among(contacts, mirrored=orientation.mirrored)
    return AhaModel(levels, insertions, ed)


def segment_thickness(walls: Walls, model: AhaModel, frame: int) -> tuple[SegmentValue, ...]:
    """Return the mean wall thickness of every segment at a frame, in mm.

    A slice counts for a segment if at least three quarters of the segment have wall there.
    """
    found = _by_segment(walls, model, frame)
    quantity = "wall thickness"
    values = []
    for segment in model.segments:
        here = found.get(segment, {})
        value = float(np.mean(list(here.values()))) if here else None
        reason = "" if here else _why_not(segment)
        values.append(SegmentValue(segment, value, "mm", quantity, frame, tuple(here), reason))
    return tuple(values)


def segment_thickening(walls: Walls, model: AhaModel, es: int) -> tuple[SegmentValue, ...]:
    """Return the wall thickening of every segment from end diastole to end systole, in percent.

    It is (ES - ED) / ED of the mean thicknesses over the slices that are measured at both.
    """
    before, after = _by_segment(walls, model, model.ed), _by_segment(walls, model, es)
    quantity, values = "wall thickening", []
    for segment in model.segments:
        thin, thick = before.get(segment, {}), after.get(segment, {})
        both = tuple(slice_ for slice_ in thin if slice_ in thick)
        if both:
            first = np.mean([thin[slice_] for slice_ in both])
            gain = float(100 * (np.mean([thick[slice_] for slice_ in both]) - first) / first)
            values.append(SegmentValue(segment, gain, "%", quantity, es, both))
        else:
            values.append(SegmentValue(segment, None, "%", quantity, es, reason=_why_not(segment)))
    return tuple(values)


def mean_value(values: Iterable[SegmentValue]) -> float | None:
    """Return the mean over the segments that have a value, None if none has."""
    known = [each.value for each in values if each.value is not None]
    return float(np.mean(known)) if known else None


def segment_labels(
    labels: NDArray[np.uint8], wall: SliceWall, model: AhaModel, spacing_mm: tuple[float, float]
) -> NDArray[np.uint8]:
    """Return the segment number of every myocardial pixel of a slice, 0 elsewhere, to be shown.

    Parameters
    ----------
    labels : ndarray of uint8, shape (row, column)
        0 or a `Structure` number.
    wall : SliceWall
        Of these labels.
    model : AhaModel
        The segments; a slice that does not belong to them is 0.
    spacing_mm : tuple of float
        Distance between rows and columns.
    """
    numbers = np.zeros(labels.shape, np.uint8)
    if wall.slice_ not in model.levels:
        return numbers
    place = np.nonzero(labels == Structure.MYO)
    row, column = (
        (index - centre) * mm for index, centre, mm in zip(place, wall.centre, spacing_mm, strict=True)
    )
    direction = np.rint(np.arctan2(row, column) / (2 * np.pi) * N_DIRECTIONS).astype(int) % N_DIRECTIONS
    numbers[place] = model.segment_in_directions(wall.slice_)[direction]
    return numbers


def _by_segment(walls: Walls, model: AhaModel, frame: int) -> dict[int, dict[int, float]]:
    """Return the thickness in mm by segment and slice, where it is available."""
    found: dict[int, dict[int, float]] = {}
    for slice_ in model.levels:
        wall = walls.get((frame, slice_))
        if wall is None:
            continue
        numbers, has_wall = model.segment_in_directions(slice_), ~np.isnan(wall.thickness_mm)
        for segment in np.unique(numbers):
            inside = numbers == segment
            if has_wall[inside].mean() >= _LEAST_SHARE:
                thickness = float(wall.thickness_mm[inside & has_wall].mean())
                found.setdefault(int(segment), {})[slice_] = thickness
    return found


def _why_not(segment: int) -> str:
    return _CAP if level_of(segment) is Level.APEX else _NO_WALL
