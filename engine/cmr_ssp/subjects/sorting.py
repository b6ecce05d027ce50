"""What to do where the series of a DICOM exam can be sorted in more than one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UnequalFrames = Literal["refuse", "resample"]
Repeated = Literal["last", "first"]
MissingSlice = Literal["refuse", "skip", "interpolate"]


@dataclass(frozen=True, slots=True)
class SortOptions:
    """Ways on where slices do not fit together; whatever is taken stays with the stack as a warning.

    Attributes
    ----------
    series : int or None
        Which of the listed series to open, counted from 1; None where only one can be meant.
    unequal_frames : {"refuse", "resample"}
        Where slices have different numbers of frames: refuse, or interpolate each slice in time to the
        commonest number, by trigger time.
    repeated : {"last", "first"}
        Which acquisition counts where a slice was acquired again.
    missing_slice : {"refuse", "skip", "interpolate"}
        Where a slice is missing or rotated: refuse, go on without, or interpolate between its neighbours.
    """

    series: int | None = None
    unequal_frames: UnequalFrames = "refuse"
    repeated: Repeated = "last"
    missing_slice: MissingSlice = "refuse"
