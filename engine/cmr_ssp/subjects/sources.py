"""Where images and labels lie on disk: one type a kind, decided once when a folder is listed."""

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
    """One frame, counted from 0, of a NIfTI file that has a time axis or could have one."""

    path: Path
    index: int


@dataclass(frozen=True, slots=True)
class ExamSource:
    """One frame, counted from 0, of the cine of a DICOM exam: a folder, a zip archive or one file."""

    path: Path
    index: int


class ContourFormat(StrEnum):
    """Formats of contours; each has a module in `cmr_ssp.files.contours`."""

    SUNNYBROOK = "Sunnybrook"
    CVI42 = "cvi42"


@dataclass(frozen=True, slots=True)
class ContourSource:
    """A file or folder of contours, which are drawn on the grid of the cine when they are read."""

    path: Path
    format: ContourFormat


ImageSource = VolumeSource | FrameSource | ExamSource
"""Where one frame of a cine lies."""

DrawingSource = VolumeSource | FrameSource | ContourSource
"""Where what was drawn on one frame lies."""


def file_frames(path: Path, n_frames: int) -> tuple[FrameSource, ...]:
    """Return all frames of a NIfTI file."""
    return tuple(FrameSource(path, t) for t in range(n_frames))


def exam_frames(path: Path, n_frames: int) -> tuple[ExamSource, ...]:
    """Return all frames of the cine of a DICOM exam."""
    return tuple(ExamSource(path, t) for t in range(n_frames))
