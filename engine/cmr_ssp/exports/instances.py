"""Find the DICOM images from which a cine was made, by their position in the patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError, OutputError
from cmr_ssp.files.formats.geometry import placed_affine
from cmr_ssp.files.formats.nrrd import RAS_TO_LPS
from cmr_ssp.subjects import Grid

_OFF_GRID = 0.1
"""Tolerance in voxels; NIfTI headers have single precision."""


@dataclass(frozen=True, slots=True, eq=False)
class InstancePixels:
    """Position of the pixels of an instance on a grid.

    Attributes
    ----------
    slice : int
        Slice index, in the order of the file of the grid.
    rows, columns : ndarray of int, shape (row, column) of the instance
        Indices into that slice; instances may be mirrored or rotated relative to it.
    """

    slice: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def read_instances(instances: Sequence[Any]) -> list[Any]:
    """Read instances given as paths, without pixels; pass others through.

    Raises
    ------
    ImageError
        If a file is not a DICOM image.
    """
    return [_read(instance) if isinstance(instance, Path) else instance for instance in instances]


def _read(path: Path) -> Any:
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (OSError, EOFError, ValueError, InvalidDicomError) as error:
        raise ImageError.of(path, f"it cannot be read as DICOM ({error})", "Use DICOM images.") from error


def instance_pixels(instance: Any, grid: Grid) -> InstancePixels | None:
    """Find the pixels of a single-frame image on a grid; return None if they do not match its voxels."""
    try:
        position = np.array(instance.ImagePositionPatient, float)
        along = np.array(instance.ImageOrientationPatient, float).reshape(2, 3)
        spacing = np.array(instance.PixelSpacing, float)
        shape = int(instance.Rows), int(instance.Columns)
    except (AttributeError, TypeError, ValueError):
        return None  # another kind of object, or a multi-frame image
    to_voxel = np.linalg.inv(RAS_TO_LPS @ placed_affine(grid))
    first = to_voxel[:3] @ [*position, 1.0]
    steps = [to_voxel[:3, :3] @ step for step in (along[1] * spacing[0], along[0] * spacing[1])]
    last = first + steps[0] * (shape[0] - 1) + steps[1] * (shape[1] - 1)
    whole = [np.rint(step) for step in steps]
    start = np.rint(first)
    end = start + whole[0] * (shape[0] - 1) + whole[1] * (shape[1] - 1)
    if np.abs([first - start, last - end]).max() > _OFF_GRID or whole[0][2] or whole[1][2]:
        return None
    if min(*start, *end) < 0 or (np.maximum(start, end) >= grid.shape[::-1]).any():
        return None
    row, column = np.indices(shape)
    i, j = (np.rint(start[a] + row * whole[0][a] + column * whole[1][a]).astype(np.intp) for a in (0, 1))
    return InstancePixels(int(start[2]), rows=j, columns=i)


def frame_instances(folder: Path, grid: Grid, frame: int) -> list[Any]:
    """Find the DICOM images of one frame of a cine in a folder of them.

    Images on the grid are sorted, slice by slice, by trigger time, temporal position and instance number.

    Parameters
    ----------
    folder : Path
        Searched recursively.
    grid : Grid
        Grid of the cine.
    frame : int
        Frame, counted from 0.

    Returns
    -------
    list of pydicom data sets
        One per slice, without pixels.

    Raises
    ------
    OutputError
        If a slice has no image of that frame, or images of several studies match the grid.
    """
    slices: dict[int, list[Any]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            instance = _read(path)
        except ImageError:
            continue  # other files in the folder
        place = instance_pixels(instance, grid)
        if place is not None:
            slices[place.slice].append(instance)
    counts = {len(found) for found in slices.values()}
    if len(slices) < grid.shape[0] or len(counts) > 1 or frame >= min(counts):
        listed = ", ".join(f"{k}: {len(slices.get(k, ()))}" for k in range(grid.shape[0]))
        what = f"it does not contain frame {frame} of every slice of the cine (images by slice: {listed})"
        raise OutputError.of(
            folder, what, "Choose the folder of the DICOM images from which the cine was made."
        )
    chosen = [sorted(slices[k], key=_moment)[frame] for k in sorted(slices)]
    if len({str(instance.get("StudyInstanceUID")) for instance in chosen}) > 1:
        raise OutputError.of(
            folder,
            "it contains several studies with the geometry of this cine",
            "Choose the folder of one study.",
        )
    return chosen


def _moment(instance: Any) -> tuple[float, float, float]:
    keys = ("TriggerTime", "TemporalPositionIdentifier", "InstanceNumber")
    trigger, position, number = (float(instance.get(key) or 0) for key in keys)
    return trigger, position, number
