"""Options for DICOM exams whose series can be sorted in more than one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UnequalFrames = Literal["refuse", "resample"]
Repeated = Literal["last", "first"]
MissingSlice = Literal["refuse", "skip", "interpolate"]


@dataclass(frozen=True, slots=True)
class SortOptions:
    """Options for slices that do not fit together; the stack carries a warning about each one applied.

    Attributes
    ----------
    series : int or None
        Number of the listed series to open, counted from 1; None if there is only one candidate.
    unequal_frames : {"refuse", "resample"}
        If slices have different numbers of frames: refuse, or interpolate each slice in time to the most
        common number, by trigger time.
    repeated : {"last", "first"}
        Which pass to use if a slice was acquired repeatedly.
    missing_slice : {"refuse", "skip", "interpolate"}
        If a slice is missing or rotated: refuse, leave it out, or interpolate between its neighbours.
    """

    series: int | None = None
    unequal_frames: UnequalFrames = "refuse"
    repeated: Repeated = "last"
    missing_slice: MissingSlice = "refuse"
