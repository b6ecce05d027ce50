"""Passes: the frames of one acquisition of a slice, in the order of the cardiac cycle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cmr_ssp.files.dicom.planes import Plane

_SLOWEST_MS = 200.0  # between the frames of a cine


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One acquisition of one slice.

    Attributes
    ----------
    planes : tuple of Plane
        Frames in temporal order.
    timed : bool
        Whether the order comes from trigger times.
    duplicates : int
        Number of frames at the same time as another one.
    """

    planes: tuple[Plane, ...]
    timed: bool
    duplicates: int = 0

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key of repeated passes: series, acquisition and instance number."""
        first = self.planes[0]
        return first.series_number, first.acquisition_number, first.instance_number

    @property
    def spacing_ms(self) -> float | None:
        """Median time between frames, or None if it is unknown."""
        if not self.timed or len(self.planes) < 2:
            return None
        return float(np.median(np.diff([plane.trigger_ms or 0.0 for plane in self.planes])))

    @property
    def times_ms(self) -> tuple[float, ...]:
        """Trigger time of each frame; empty if unknown."""
        return tuple(plane.trigger_ms or 0.0 for plane in self.planes) if self.timed else ()

    @property
    def oddity(self) -> str | None:
        """Reason why this is not a cine, or None."""
        first = self.planes[0]
        spacing_ms = self.spacing_ms
        if len(self.planes) < 2:
            return "it has a single frame"
        if spacing_ms is not None and spacing_ms > _SLOWEST_MS:
            return f"its frames are {spacing_ms:.0f} ms apart, too far for one cardiac cycle"
        shares_time = not self.timed and not self.duplicates and bool(first.trigger_ms)
        if shares_time and first.n_cardiac != len(self.planes):
            return "all its frames have the same trigger time, as in perfusion or mapping"
        return None


def passes_of(planes: Sequence[Plane]) -> list[Pass]:
    """Sort the frames of one series at one position into passes; several if the slice was repeated."""
    times = [plane.trigger_ms for plane in planes]
    if None not in times and len(set(times)) == len(times):
        return [_timed(planes)]
    if len(set(times)) == 1:
        return [_untimed(planes)]
    repeated = _by_acquisition(planes)
    if repeated:
        return [_timed(each) for each in repeated]
    stated = [time for time in times if time is not None]
    return [Pass(_timed(planes).planes, True, max(1, len(times) - len(set(stated))))]


def _timed(planes: Sequence[Plane]) -> Pass:
    return Pass(
        tuple(sorted(planes, key=lambda plane: (plane.trigger_ms or 0.0, plane.instance_number))), True
    )


def _untimed(planes: Sequence[Plane]) -> Pass:
    """Order frames without distinct trigger times by temporal position, or else by instance number."""
    temporal = [plane.temporal for plane in planes]
    if None not in temporal and len(set(temporal)) == len(temporal):
        return Pass(tuple(sorted(planes, key=lambda plane: plane.temporal or 0)), False)
    numbers = {plane.instance_number for plane in planes}
    ordered = tuple(sorted(planes, key=lambda plane: plane.instance_number))
    return Pass(ordered, False, len(planes) - len(numbers))


def _by_acquisition(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Split frames by acquisition number if each has a complete cardiac cycle; otherwise return nothing."""
    groups: dict[int, list[Plane]] = defaultdict(list)
    for plane in planes:
        groups[plane.acquisition_number].append(plane)
    for group in groups.values():
        times = {plane.trigger_ms for plane in group}
        if len(group) < 2 or None in times or len(times) < len(group):
            return []
    return [groups[number] for number in sorted(groups)] if len(groups) > 1 else []
