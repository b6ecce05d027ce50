"""What a listing of DICOM files says: series, their slices and why one is no short-axis cine."""

from __future__ import annotations

from dataclasses import dataclass

from cmr_ssp.errors import Problem
from cmr_ssp.subjects import CineStack


@dataclass(frozen=True, slots=True)
class SliceTimes:
    """One row of the slice x frame table.

    Attributes
    ----------
    position_mm : float
        Along the normal of the slices.
    n_frames : int
        Frames of the acquisition that counts.
    trigger_ms : tuple of float
        Their trigger times; empty where nothing tells.
    n_acquisitions : int
        How often the slice was acquired.
    n_missing_before : int
        Slices that are missing between the one before and this one.
    """

    position_mm: float
    n_frames: int
    trigger_ms: tuple[float, ...]
    n_acquisitions: int = 1
    n_missing_before: int = 0


@dataclass(frozen=True, slots=True)
class DicomSeries:
    """Images of one geometry; they may come from several series of the scanner.

    Attributes
    ----------
    description : str
        Made from scanner and geometry; free text of the header is left out, since it may name the person.
    n_slices, n_frames : int
        Number of slices, and the largest number of frames of one.
    reason : str or None
        Why it cannot be opened as a short-axis cine; None where it can.
    slices : tuple of SliceTimes
        The slice x frame table.
    choices : frozenset of str
        Fields of `SortOptions` that decide how it is opened, or whether. Empty where it opens in one way
        only, or where no choice makes a cine of it.
    """

    description: str
    n_slices: int
    n_frames: int
    reason: str | None
    slices: tuple[SliceTimes, ...] = ()
    choices: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class DicomFolder:
    """What was found in a folder or archive.

    Attributes
    ----------
    stacks : tuple of CineStack
        One for each series without a reason against it, in the same order.
    series : tuple of DicomSeries
        Everything with a geometry; `SortOptions.series` counts here, from 1.
    problems : tuple of Problem
        What was wrong with single files (warnings).
    """

    stacks: tuple[CineStack, ...]
    series: tuple[DicomSeries, ...]
    problems: tuple[Problem, ...] = ()

    def stack(self, number: int) -> CineStack | None:
        """Return the stack of a listed series, counted from 1; None where it cannot be opened."""
        if self.series[number - 1].reason is not None:
            return None
        return self.stacks[sum(each.reason is None for each in self.series[: number - 1])]
