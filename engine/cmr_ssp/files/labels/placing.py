"""Find the frame of a cine that equals a separate volume, by comparing voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import Problem
from cmr_ssp.files.formats.nifti import Stamp, read_header, stamp
from cmr_ssp.files.formats.pixels import read_stored, scale
from cmr_ssp.subjects import LabelSource, Subject

_TOLERANCE = 1e-3
"""Tolerance as a fraction of the volume's range, for rounding by another scale factor."""


def placed(subject: Subject) -> tuple[list[LabelSource], list[Problem]]:
    """Return the labels of a subject, with frames for labels drawn on separate volumes.

    The cine must be a single file. Labels on a volume that equals no frame are dropped with a warning.

    Raises
    ------
    ImageError
        If an image cannot be read.
    """
    waiting = [label for label in subject.labels if label.drawn_on]
    if not waiting:
        return list(subject.labels), []
    cine = subject.frames[0].path
    images = tuple(label.drawn_on for label in waiting if label.drawn_on)
    frames = dict(zip(images, _frames_of(cine, images, (stamp(cine), *map(stamp, images))), strict=True))
    labels: list[LabelSource] = []
    problems: list[Problem] = []
    taken: set[int] = set()
    for label in subject.labels:
        frame = frames[label.drawn_on] if label.drawn_on else label.listed_frame
        if frame is None or (label.drawn_on and frame in taken):
            problems.append(_unplaced(label, cine, frame))
            continue
        taken.add(frame)
        labels.append(replace(label, listed_frame=frame, drawn_on=None))
    return labels, problems


@lru_cache(maxsize=1024)
def _frames_of(cine: Path, images: tuple[Path, ...], _stamps: tuple[Stamp, ...]) -> list[int | None]:
    frames = _pixels(cine)
    return [equal_frame(frames, _pixels(image)[0]) for image in images]


def _pixels(path: Path) -> NDArray[np.float32]:
    header = read_header(path)
    return scale(read_stored(header), header)


def equal_frame(
    frames: Sequence[NDArray[np.float32]] | NDArray[np.float32], volume: NDArray[np.float32]
) -> int | None:
    """Return the index of the frame that equals a volume, None if there is none.

    Parameters
    ----------
    frames : ndarray, shape (frame, slice, row, column)
        Cine.
    volume : ndarray, shape (slice, row, column)
        Volume to find.
    """
    if frames[0].shape != volume.shape:
        return None
    worst = [float(np.abs(frame - volume).max()) for frame in frames]
    nearest = int(np.argmin(worst))
    return nearest if worst[nearest] <= _TOLERANCE * float(np.ptp(volume)) else None


def _unplaced(label: LabelSource, cine: Path, frame: int | None) -> Problem:
    image = label.drawn_on.name if label.drawn_on else ""
    what = f"its image {image} equals no frame of {cine.name}; the label is not used"
    if frame is not None:
        what = f"its image {image} is frame {frame}, which belongs to another phase; the label is not used"
    remedy = "Check that the image belongs to this cine and was not resampled."
    return Problem.warning(label.source.path, what, remedy)
