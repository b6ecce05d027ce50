"""Sources: where frames and labels lie on disk, with one type per kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """A NIfTI file of one 3D volume."""

    path: Path


@dataclass(frozen=True, slots=True)
class FrameSource:
    """One frame, counted from 0, of a NIfTI file with (possibly) a time axis."""

    path: Path
    index: int


@dataclass(frozen=True, slots=True)
class ExamSource:
    """One frame, counted from 0, of the cine of a DICOM exam: a folder, a zip archive or one file."""

    path: Path
    index: int


class ContourFormat(StrEnum):
    """Contour formats, each with a module in `cmr_ssp.files.contours`."""

    SUNNYBROOK = "Sunnybrook"
    CVI42 = "cvi42"


@dataclass(frozen=True, slots=True)
class ContourSource:
    """A file or folder of contours, which are rasterised on the grid of the cine when read."""

    path: Path
    format: ContourFormat


ImageSource = VolumeSource | FrameSource | ExamSource
"""Source of one frame of a cine."""

DrawingSource = VolumeSource | FrameSource | ContourSource
"""Source of the labels of one frame."""


def file_frames(path: Path, n_frames: int) -> tuple[FrameSource, ...]:
    """Return sources of all frames of a NIfTI file."""
    return tuple(FrameSource(path, t) for t in range(n_frames))


def exam_frames(path: Path, n_frames: int) -> tuple[ExamSource, ...]:
    """Return sources of all frames of the cine of a DICOM exam."""
    return tuple(ExamSource(path, t) for t in range(n_frames))
