"""One two-dimensional frame of a DICOM file: its geometry, its times, and nothing about the person."""

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
    """One frame at one slice position.

    Attributes
    ----------
    ref : FileRef
        The file.
    index : int or None
        0-based frame of a multi-frame file.
    study, series, instance_uid : str
        Unique identifiers, for telling files apart only; never shown.
    person : str
        A digest of what the header calls the person, for telling people apart; empty where it says nothing.
    series_number, acquisition_number, instance_number : int
        As the scanner counts, 0 where it does not.
    shape : tuple of int
        Rows and columns.
    spacing_mm : tuple of float
        Between rows and between columns.
    position_mm : tuple of float
        Centre of the first pixel, LPS.
    along_row, along_column : tuple of float
        Unit vectors of growing column and of growing row index, LPS.
    thickness_mm : float
        Of the slice, 0 where unknown.
    trigger_ms : float or None
        Time after the R wave.
    temporal : int or None
        Temporal position, counted from 1.
    rr_ms : float or None
        Length of a heart beat.
    n_cardiac : int or None
        Frames a beat, where the file says so.
    slope, intercept : float
        From stored numbers to values.
    oddity : str or None
        Why the frame cannot belong to a cine of magnitude images.
    transfer_syntax : str
        How the pixels are stored.
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
        """Unit vectors along row, along column and across the slice as rows, shape (3, 3), LPS."""
        return np.array([self.along_row, self.along_column, np.cross(self.along_row, self.along_column)])

    @cached_property
    def centre_mm(self) -> NDArray[np.float64]:
        """Middle of the plane, LPS."""
        (rows, columns), (row_mm, column_mm) = self.shape, self.spacing_mm
        half = np.array([(columns - 1) * column_mm / 2, (rows - 1) * row_mm / 2, 0.0])
        middle: NDArray[np.float64] = np.asarray(self.position_mm) + half @ self.axes
        return middle
