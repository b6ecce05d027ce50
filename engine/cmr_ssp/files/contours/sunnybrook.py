"""Sunnybrook contour files: ``IM-0001-NNNN-icontour-manual.txt`` and ``-ocontour-manual.txt``.

A file is a closed polygon with one point per line: column and row in pixels, integers at pixel centres. The
inner contour encloses the LV cavity, the outer one also the myocardium; the RV is not labelled. ``NNNN``
counts images from 1 in the order of the scanner: all frames of one slice, then the next slice, from the base.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import LabelError
from cmr_ssp.files.contours.polygons import Polygon, fill
from cmr_ssp.files.formats.folders import is_regular, matching
from cmr_ssp.subjects import CineStack

_FILE = re.compile(r"IM-\d+-(?P<image>\d+)-(?P<kind>[io])contour-manual\.txt", re.IGNORECASE)
_MAX_BYTES = 2**20

Contours = dict[int, dict[str, Path]]


def find_contours(folder: Path) -> Contours:
    """Return the contour files below a folder by image number (from 1) and kind (``i`` or ``o``)."""
    found: Contours = defaultdict(dict)
    for path in filter(is_regular, matching(folder, "**/*contour-manual.txt")):
        if match := _FILE.fullmatch(path.name):
            found[int(match["image"])][match["kind"].lower()] = path
    return dict(found)


def contour_files(place: Path) -> list[Path]:
    """Return the contour files below a folder, sorted."""
    return sorted(file for files in find_contours(place).values() for file in files.values())


def draw_contours(place: Path, stack: CineStack) -> dict[int, NDArray[np.uint8]]:
    """Rasterise the contours below a folder on the grid of their cine; see `labels_from_contours`."""
    return labels_from_contours(find_contours(place), stack.n_frames, stack.grid.shape)


def labels_from_contours(
    contours: Contours, n_frames: int, shape: tuple[int, int, int]
) -> dict[int, NDArray[np.uint8]]:
    """Rasterise contours on the grid of a cine.

    Parameters
    ----------
    contours : dict
        As returned by `find_contours`.
    n_frames : int
        Number of frames of the cine; image numbers count the frames of each slice.
    shape : tuple of int
        Slices (in the order of image numbers: base first), rows and columns.

    Returns
    -------
    dict of int to ndarray of uint8, shape (slice, row, column)
        Labels in the engine's numbers by frame (counted from 0), only of frames with contours. Slices without
        an outer contour have no myocardium.

    Raises
    ------
    LabelError
        If a file is not a polygon, or an image number or a point is outside the cine.
    """
    volumes: dict[int, NDArray[np.uint8]] = {}
    for image, files in sorted(contours.items()):
        slice_, frame = divmod(image - 1, n_frames)
        if not 0 <= slice_ < shape[0]:
            what = f"image {image} is not among the {shape[0]} x {n_frames} of the cine"
            raise LabelError.of(next(iter(files.values())), what, "Check that the contours belong to it.")
        volume = volumes.setdefault(frame, np.zeros(shape, np.uint8))
        for kind, structure in (("o", Structure.MYO), ("i", Structure.LV)):
            if kind in files:
                volume[slice_][_area(read_contour(files[kind], shape[1:]), shape[1:])] = structure
    for volume in volumes.values():  # an outer contour without an inner one has no myocardium
        volume[~(volume == Structure.LV).any(axis=(1, 2))] = 0
    return volumes


def read_contour(path: Path, shape: tuple[int, int]) -> Polygon:
    """Read the points of one contour, shape (point, 2): column and row in pixels.

    Raises
    ------
    LabelError
        If the file is not a polygon, or a point is outside an image of `shape` (rows, columns).
    """
    remedy = "Copy the file again from the data set."
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("too large")
        rows = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
        points = np.array(rows, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise LabelError.of(path, f"it is not a contour ({error})", remedy) from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise LabelError.of(path, "it is not a list of three or more points (column, row)", remedy)
    if points.min() < -0.5 or (points.max(axis=0) > np.array(shape[::-1]) - 0.5).any():
        rows_, columns = shape
        what = f"it exceeds the image of {columns} columns and {rows_} rows"
        raise LabelError.of(path, what, "Check that the contours belong to this cine.")
    return points


def _area(polygon: Polygon, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels inside a contour and at its points, like the labels of the data set."""
    inside = fill(polygon, shape)
    corners = np.rint(polygon[(polygon == np.rint(polygon)).all(axis=1)]).astype(int)
    inside[corners[:, 1], corners[:, 0]] = True
    return inside
