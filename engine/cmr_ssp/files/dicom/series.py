"""Result of listing DICOM files: series, their slices, and why a series is not a short-axis cine."""

from __future__ import annotations

from dataclasses import dataclass

from cmr_ssp.errors import Problem
from cmr_ssp.subjects import CineStack


@dataclass(frozen=True, slots=True)
class SliceTimes:
    """One slice of a series, as a row of the table of slices and frames.

    Attributes
    ----------
    position_mm : float
        Position along the slice normal.
    n_frames : int
        Number of frames of the selected acquisition.
    trigger_ms : tuple of float
        Trigger times of the frames; empty if unknown.
    n_acquisitions : int
        Number of acquisitions of the slice.
    n_missing_before : int
        Number of missing slices before this one.
    """

    position_mm: float
    n_frames: int
    trigger_ms: tuple[float, ...]
    n_acquisitions: int = 1
    n_missing_before: int = 0


@dataclass(frozen=True, slots=True)
class DicomSeries:
    """Images with the same geometry; they may come from several DICOM series.

    Attributes
    ----------
    description : str
        Series numbers and geometry; free text of the header is omitted, since it may name the person.
    n_slices, n_frames : int
        Number of slices, and the largest number of frames of a slice.
    reason : str or None
        Reason why it cannot be opened as a short-axis cine, or None.
    slices : tuple of SliceTimes
        Rows of the table of slices and frames.
    choices : frozenset of str
        Fields of `SortOptions` that decide whether and how it is opened. Empty if there is only one way, or
        if it cannot be opened as a cine at all.
    """

    description: str
    n_slices: int
    n_frames: int
    reason: str | None
    slices: tuple[SliceTimes, ...] = ()
    choices: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class DicomFolder:
    """The series of a DICOM folder or archive.

    Attributes
    ----------
    stacks : tuple of CineStack
        One for each series that can be opened, in the same order.
    series : tuple of DicomSeries
        All series with a geometry; `SortOptions.series` is the position in this list, counted from 1.
    problems : tuple of Problem
        Warnings about individual files.
    """

    stacks: tuple[CineStack, ...]
    series: tuple[DicomSeries, ...]
    problems: tuple[Problem, ...] = ()

    def stack(self, number: int) -> CineStack | None:
        """Return the stack of a listed series, counted from 1, or None if it cannot be opened."""
        if self.series[number - 1].reason is not None:
            return None
        return self.stacks[sum(each.reason is None for each in self.series[: number - 1])]
