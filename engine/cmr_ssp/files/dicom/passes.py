"""Passes: the frames of one slice as acquired once, in the order of the heart beat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cmr_ssp.files.dicom.planes import Plane

_SLOWEST_MS = 200.0  # between the frames of a cine


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One slice, acquired once.

    Attributes
    ----------
    planes : tuple of Plane
        Its frames in temporal order.
    timed : bool
        Whether trigger times gave the order.
    duplicates : int
        How many frames share their time with another one.
    """

    planes: tuple[Plane, ...]
    timed: bool
    duplicates: int = 0

    @property
    def order(self) -> tuple[int, int, int]:
        """What later passes have more of: series, acquisition and instance number."""
        first = self.planes[0]
        return first.series_number, first.acquisition_number, first.instance_number

    @property
    def spacing_ms(self) -> float | None:
        """Median time between frames, None where nothing tells."""
        if not self.timed or len(self.planes) < 2:
            return None
        return float(np.median(np.diff([plane.trigger_ms or 0.0 for plane in self.planes])))

    @property
    def times_ms(self) -> tuple[float, ...]:
        """Trigger time of each frame; empty where nothing tells."""
        return tuple(plane.trigger_ms or 0.0 for plane in self.planes) if self.timed else ()

    @property
    def oddity(self) -> str | None:
        """Why this is no cine, None where it may be one."""
        first = self.planes[0]
        spacing_ms = self.spacing_ms
        if len(self.planes) < 2:
            return "it has a single frame"
        if spacing_ms is not None and spacing_ms > _SLOWEST_MS:
            return f"its frames lie {spacing_ms:.0f} ms apart, not those of one heart beat"
        shares_time = not self.timed and not self.duplicates and bool(first.trigger_ms)
        if shares_time and first.n_cardiac != len(self.planes):
            return "all its frames have one trigger time, as in perfusion or mapping"
        return None


def passes_of(planes: Sequence[Plane]) -> list[Pass]:
    """Sort the frames that one series has at one position; more than one pass where it was repeated."""
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
    """Order frames that have one trigger time or none: by temporal position, else by instance number."""
    temporal = [plane.temporal for plane in planes]
    if None not in temporal and len(set(temporal)) == len(temporal):
        return Pass(tuple(sorted(planes, key=lambda plane: plane.temporal or 0)), False)
    numbers = {plane.instance_number for plane in planes}
    ordered = tuple(sorted(planes, key=lambda plane: plane.instance_number))
    return Pass(ordered, False, len(planes) - len(numbers))


def _by_acquisition(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Split frames by acquisition number where each number has a beat of its own; else nothing."""
    groups: dict[int, list[Plane]] = defaultdict(list)
    for plane in planes:
        groups[plane.acquisition_number].append(plane)
    for group in groups.values():
        times = {plane.trigger_ms for plane in group}
        if len(group) < 2 or None in times or len(times) < len(group):
            return []
    return [groups[number] for number in sorted(groups)] if len(groups) > 1 else []
