"""A short-axis cine and segmentations on its grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import Problem

LARGE_BYTES = 512 << 20
"""Size of the pixels (float32) above which a cine is read frame by frame where possible."""


class SliceOrder(StrEnum):
    """Whether slice 0 is known to be the most basal slice."""

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
        Distance between slice centres, rows and columns, in mm. affine : ndarray, shape (4, 4) Voxel-to-world
        matrix of the file, for its index order (column, row, slice) and slice order.
    slices_reversed : bool
        True if the file starts at the apex, so that slice ``k`` here is slice ``n - 1 - k`` there.
    slice_order : SliceOrder
        Base first if the affine has a patient orientation, otherwise as in the file and unknown.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    slices_reversed: bool = False
    slice_order: SliceOrder = SliceOrder.UNKNOWN


def same_affine(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Return whether two voxel-to-world matrices agree up to rounding.

    NaN equals NaN here; the voxel size is checked elsewhere.
    """
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-2, equal_nan=True))


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Properties of scanner and scan, without personal data or date.

    Attributes
    ----------
    vendor, model : str or None
        Vendor and model of the scanner.
    field_strength_t : float or None
        In tesla.
    heart_rate_bpm : float or None
        Heart rate in beats per minute.
    """

    vendor: str | None = None
    model: str | None = None
    field_strength_t: float | None = None
    heart_rate_bpm: float | None = None


class Frames(Protocol):
    """Access to the frames of a cine: an array (frame, slice, row, column), or an object that reads them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of frames, slices, rows and columns."""
        ...

    def __getitem__(self, frame: int, /) -> NDArray[np.float32]:
        """Return one frame, shape (slice, row, column)."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CineStack:
    """A short-axis cine whose pixels are read on demand.

    Attributes
    ----------
    grid : Grid
        The voxel grid that all frames share.
    n_frames : int
        Number of frames.
    load : callable
        Reads and returns all pixels as float32, shape (frame, slice, row, column).
    open_frames : callable or None
        Opens the files to read single frames, None if they can only be read as a whole; see `frames`.
    frame_spacing_s : float or None
        Time between frames in seconds, None if unknown.
    sources : tuple of Path
        Files of the pixels (for DICOM, the folder or archive), which must never be written to.
    problems : tuple of Problem
        Warnings about the geometry of these files, or about changes that make them fit.
    acquisition : Acquisition or None
        Scanner and heart rate, if the files have them (DICOM).
    image_uids : tuple of tuple of str
        SOP instance UID of the DICOM image of each frame and slice, shape (frame, slice), to match contours;
        an empty string for computed images and multi-frame files. Empty for other files.
    alterations : tuple of str
        What was computed or left out to make the slices fit, such as ``"frames were resampled"``; files
        written from the stack keep it.

    Examples
    --------
    >>> stack = cmr_ssp.open_cine("CINE.nii.gz")
    >>> stack.spacing_mm  # of slices, rows and columns
    (8.0, 1.5, 1.600000023841858)
    """

    grid: Grid
    n_frames: int
    load: Callable[[], NDArray[np.float32]]
    open_frames: Callable[[], AbstractContextManager[Frames]] | None = None
    frame_spacing_s: float | None = None
    sources: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    acquisition: Acquisition | None = None
    alterations: tuple[str, ...] = ()
    image_uids: tuple[tuple[str, ...], ...] = ()

    @property
    def n_bytes(self) -> int:
        """Size of all pixels in memory."""
        return self.n_frames * math.prod(self.grid.shape) * np.dtype(np.float32).itemsize

    @contextmanager
    def frames(self) -> Iterator[Frames]:
        """Yield the frames: in memory, or read one at a time if the cine is above `LARGE_BYTES`.

        Raises
        ------
        ImageError
            If pixels are damaged or not finite; for a large cine, on access to the frame.
        """
        if self.open_frames is None or self.n_bytes <= LARGE_BYTES:
            yield self.load()
        else:
            with self.open_frames() as frames:
                yield frames

    @property
    def pixels(self) -> NDArray[np.float32]:
        """All pixels, shape (frame, slice, row, column), read from the files on every access."""
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
    """Labels of one frame of a stack.

    Attributes
    ----------
    labels : ndarray of uint8, shape (slice, row, column)
        0 or a `Structure` number.
    frame : int
        0-based frame of the stack.
    drawn : frozenset of Structure
        Labelled structures. If a structure is missing here, its absence from `labels` means *not labelled*,
        not *empty*.

    Examples
    --------
    >>> drawing = cmr_ssp.read_segmentation(cohort.subject("a"), "ED")
    >>> drawing.frame, sorted(structure.name for structure in drawing.drawn)
    (0, ['LV', 'MYO', 'RV'])
    """

    labels: NDArray[np.uint8]
    frame: int
    drawn: frozenset[Structure]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], frame: int) -> Self:
        """Create one from a label volume; structures without voxels count as not drawn."""
        return cls(labels, frame, structures_in(labels))


def voxel_counts(labels: NDArray[np.uint8]) -> dict[Structure, int]:
    """Count the voxels of each structure in labels of any shape."""
    counts = np.bincount(labels.ravel(), minlength=1 + max(Structure))
    return {structure: int(counts[structure]) for structure in Structure}


def structures_in(labels: NDArray[np.uint8]) -> frozenset[Structure]:
    """Return the structures with at least one voxel."""
    return frozenset(structure for structure, count in voxel_counts(labels).items() if count)
