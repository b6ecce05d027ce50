"""One two-dimensional image of a DICOM file: geometry and timing, without identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.files.dicom.sources import FileRef
from cmr_ssp.subjects import Acquisition

Vector = tuple[float, float, float]


@dataclass(frozen=True, eq=False)  # no slots: `cached_property` needs a __dict__
class Plane:
    """One image at one slice position and time.

    Attributes
    ----------
    ref : FileRef
        File of the image.
    index : int or None
        0-based frame of a multi-frame file.
    study, series, instance_uid : str
        Unique identifiers, only for comparison; never shown.
    person : str
        Digest of the person's id or name, only for comparison; empty if there is none.
    series_number, acquisition_number, instance_number : int
        DICOM numbers, 0 if missing.
    shape : tuple of int
        Rows and columns.
    spacing_mm : tuple of float
        Distance between rows and between columns.
    position_mm : tuple of float
        Centre of the first pixel, in LPS coordinates.
    along_row, along_column : tuple of float
        Unit vectors of increasing column and increasing row index, in LPS coordinates.
    thickness_mm : float
        Slice thickness, 0 if unknown.
    trigger_ms : float or None
        Time after the R wave.
    temporal : int or None
        Temporal position, counted from 1.
    rr_ms : float or None
        Duration of the cardiac cycle (RR interval).
    n_cardiac : int or None
        Number of frames per cardiac cycle, if known.
    slope, intercept : float
        Rescale slope and intercept.
    oddity : str or None
        Reason why the image cannot belong to a cine of magnitude images.
    transfer_syntax : str
        UID of the transfer syntax.
    acquisition : Acquisition
        Scanner and heart rate.
    """

    ref: FileRef
    index: int | None
    study: str = field(repr=False)
    series: str = field(repr=False)
    instance_uid: str = field(repr=False)
    person: str = field(repr=False)
    series_number: int
    acquisition_number: int
    instance_number: int
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    position_mm: Vector
    along_row: Vector
    along_column: Vector
    thickness_mm: float
    trigger_ms: float | None
    temporal: int | None
    rr_ms: float | None
    n_cardiac: int | None
    slope: float
    intercept: float
    oddity: str | None
    transfer_syntax: str
    acquisition: Acquisition

    @cached_property
    def axes(self) -> NDArray[np.float64]:
        """Unit vectors along the row, along the column and normal to the slice, shape (3, 3), LPS."""
        return np.array([self.along_row, self.along_column, np.cross(self.along_row, self.along_column)])

    @cached_property
    def centre_mm(self) -> NDArray[np.float64]:
        """Centre of the plane, in LPS coordinates."""
        (rows, columns), (row_mm, column_mm) = self.shape, self.spacing_mm
        half = np.array([(columns - 1) * column_mm / 2, (rows - 1) * row_mm / 2, 0.0])
        middle: NDArray[np.float64] = np.asarray(self.position_mm) + half @ self.axes
        return middle
