"""A short-axis cine and segmentations on its grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import Problem


class SliceOrder(StrEnum):
    """Whether slice 0 is known to be the most basal one."""

    BASE_FIRST = "base first"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The voxel grid of a stack, in the engine's axis order (slice, row, column).

    Attributes
    ----------
    shape : tuple of int
        Number of slices, rows and columns.
    spacing_mm : tuple of float
        Distance between slice centres, rows and columns, in mm.
    affine : ndarray, shape (4, 4)
        The file's own voxel-to-world matrix, for its index order (column, row, slice) and slice order.
    slices_reversed : bool
        True where the file starts at the apex, so that slice ``k`` here is slice ``n - 1 - k`` there.
    slice_order : SliceOrder
        Base first where the affine has a patient orientation, else as in the file and unknown.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    slices_reversed: bool = False
    slice_order: SliceOrder = SliceOrder.UNKNOWN


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What is known of scanner and scan, and nothing of the person or the day.

    Attributes
    ----------
    vendor, model : str or None
        Of the scanner.
    field_strength_t : float or None
        In tesla.
    heart_rate_bpm : float or None
        Beats a minute during the scan.
    """

    vendor: str | None = None
    model: str | None = None
    field_strength_t: float | None = None
    heart_rate_bpm: float | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CineStack:
    """A short-axis cine, lazily read.

    Attributes
    ----------
    grid : Grid
        The voxel grid that all frames share.
    n_frames : int
        Number of frames.
    load : callable
        Reads and returns all pixels as float32, shape (frame, slice, row, column).
    frame_spacing_s : float or None
        Time between frames in seconds, None where the file does not say.
    sources : tuple of Path
        The files that the pixels come from (of DICOM, the folder or archive); nothing may ever write to
        them.
    problems : tuple of Problem
        What is odd about the geometry of these files, or was done to make them fit (warnings).
    acquisition : Acquisition or None
        Scanner and heart rate, where the files say (DICOM does).
    alterations : tuple of str
        What was computed or left out to make the slices fit, such as ``"frames were resampled"``; what is
        written of the stack carries it on.
    """

    grid: Grid
    n_frames: int
    load: Callable[[], NDArray[np.float32]]
    frame_spacing_s: float | None = None
    sources: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    acquisition: Acquisition | None = None
    alterations: tuple[str, ...] = ()

    @property
    def pixels(self) -> NDArray[np.float32]:
        """All pixels, shape (frame, slice, row, column), read from the files at every access."""
        return self.load()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of frames, slices, rows and columns."""
        return (self.n_frames, *self.grid.shape)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between slice centres, rows and columns, in mm."""
        return self.grid.spacing_mm

    def __repr__(self) -> str:
        frames, slices, rows, columns = self.shape
        spacing = " x ".join(f"{mm:.4g}" for mm in self.spacing_mm)
        return f"<CineStack: {frames} frames, {slices} slices of {rows} x {columns}, {spacing} mm>"


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Structures drawn on one frame of a stack.

    Attributes
    ----------
    labels : ndarray of uint8, shape (slice, row, column)
        0 or a `Structure` number.
    frame : int
        0-based frame of the stack.
    drawn : frozenset of Structure
        What somebody drew here. Where a structure is not in it, its absence from `labels` means *not
        labelled*, not *empty*.
    """

    labels: NDArray[np.uint8]
    frame: int
    drawn: frozenset[Structure]
