"""Wall thickness and thickening of all segments, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import LabelError
from cmr_ssp.function.aha import SegmentValue, aha_model, segment_thickening, segment_thickness
from cmr_ssp.function.segments import Insertions, Orientation
from cmr_ssp.function.walls import stack_walls


@dataclass(frozen=True, slots=True)
class WallSummary:
    """Segments of the American Heart Association.

    Attributes
    ----------
    thickness, thickening : tuple of SegmentValue
        At ED in mm, and from ED to ES in percent; empty if not available.
    insertions : Insertions or None
        Of the RV, as found or chosen.
    reason : str
        Why there are no segments, and what to do; empty if there are.
    """

    thickness: tuple[SegmentValue, ...] = ()
    thickening: tuple[SegmentValue, ...] = ()
    insertions: Insertions | None = None
    reason: str = ""


def wall_summary(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float, float],
    phases: Mapping[Phase, int],
    orientation: Orientation | None,
    insertions: Insertions | None = None,
) -> WallSummary:
    """Measure the wall at ED and ES.

    Parameters
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    spacing_mm : tuple of float
        Distance between slices, rows and columns.
    phases : Mapping of Phase to int
        0-based frames; without ES there is no thickening.
    orientation : Orientation or None
        Of the file, or as a person says.
    insertions : Insertions, optional
        As a person says; by default found.
    """
    if Phase.ED not in phases:
        return WallSummary(reason="The frame of ED is not known. Choose it.")
    walls = stack_walls(labels, spacing_mm, sorted(set(phases.values())))
    try:
        model = aha_model(walls, phases[Phase.ED], orientation, insertions)
    except LabelError as error:
        problem = error.problems[0]
        return WallSummary(reason=f"{problem.what[0].upper()}{problem.what[1:]}. {problem.remedy}")
    thickening = segment_thickening(walls, model, phases[Phase.ES]) if Phase.ES in phases else ()
    return WallSummary(segment_thickness(walls, model, model.ed), thickening, model.insertions)
