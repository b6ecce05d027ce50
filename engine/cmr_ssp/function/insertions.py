"""Where the right ventricle touches the wall of the left one in a slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_ssp.function.radial import RadialContour

_TOUCHING_MM = 2.5
_TOUCHING_PIXELS = 1.5
_LARGEST_GAP_DEG = 24
_LEAST_ARC_DEG, _MOST_ARC_DEG = 30, 220


@dataclass(frozen=True, slots=True)
class RvContact:
    """The arc of the epicardium along which the RV lies; its ends are the insertion points.

    Directions are in degrees as in `directions`, seen from the centre of the LV; the arc begins at
    `start_deg` and spans `arc_deg` towards growing angles.
    """

    start_deg: float
    arc_deg: float

    @property
    def end_deg(self) -> float:
        """The other end, 0 to 360."""
        return (self.start_deg + self.arc_deg) % 360


def rv_contact(
    rv: NDArray[np.bool_], epi: RadialContour, spacing_mm: tuple[float, float]
) -> RvContact | None:
    """Find where the RV lies against the LV.

    Parameters
    ----------
    rv : ndarray of bool, shape (row, column)
        The RV cavity.
    epi : RadialContour
        Epicardium of the LV, on the grid of `rv`.
    spacing_mm : tuple of float
        Distance between rows and columns.

    Returns
    -------
    RvContact or None
        None without RV, or if the contact is too short or too long for a septum.
    """
    if not rv.any():
        return None
    distance = ndimage.distance_transform_edt(~rv, spacing_mm)
    row, column = (epi.points_mm / np.array(spacing_mm)).T
    reach = max(_TOUCHING_MM, _TOUCHING_PIXELS * max(spacing_mm))
    touching = ndimage.map_coordinates(distance, [row, column], order=1, mode="nearest") <= reach
    arc = _longest_run(touching, _LARGEST_GAP_DEG * len(touching) // 360)
    if arc is None:
        return None
    start, length = (value * 360 / len(touching) for value in arc)
    return RvContact(start, length) if _LEAST_ARC_DEG <= length <= _MOST_ARC_DEG else None


def _longest_run(touching: NDArray[np.bool_], largest_gap: int) -> tuple[int, int] | None:
    """Return first index and length of the longest run on a circle, across short gaps."""
    met = np.flatnonzero(touching)
    if len(met) == 0 or touching.all():
        return None
    steps = np.diff(met, append=met[0] + len(touching))
    cuts = np.flatnonzero(steps > largest_gap + 1)
    if len(cuts) == 0:
        return None
    starts = np.roll((cuts + 1) % len(met), 1)
    lengths = (met[cuts] - met[starts]) % len(touching)
    longest = int(lengths.argmax())
    return int(met[starts[longest]]), int(lengths[longest])
