"""Facts about the labels of every slice from which quality flags are derived.

They are arrays over (frame, slice), each entry computed from its slice alone, so after an edit only one slice
is measured again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_ssp.anatomy import Structure
from cmr_ssp.regions import Region, parts_of

N_STRUCTURES = len(Structure)
Plane = NDArray[np.uint8]
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ShapeFacts:
    """Facts about each slice of a cine; not a number where a slice lacks the structures.

    The last axis of the first four counts the structures: entry ``structure - 1``.

    Attributes
    ----------
    spacing_mm : tuple of float
        Distance between the centres of slices, rows and columns.
    pixels : ndarray of int, shape (frame, slice, 3)
        Pixels of each structure.
    parts, stray : ndarray of int, shape (frame, slice, 3)
        Parts of each structure (pixels that share an edge or a corner), and pixels outside the largest one.
    roughness : ndarray of float, shape (frame, slice, 3)
        Area of the ellipse with the same second moments over the area: 1 for any ellipse, more for other
        shapes. In place of MYO, of the LV with its wall.
    heart_mm, rv_mm : ndarray of float, shape (frame, slice, 2)
        Centre (row, column) of the LV with its wall, and of the RV, in mm.
    elongation : ndarray of float, shape (frame, slice)
        Long over short axis of the LV with its wall.
    open_share, rv_share : ndarray of float, shape (frame, slice)
        Share of the border of the LV cavity that does not touch MYO, and that touches the RV.
    enclosed : ndarray of int, shape (frame, slice)
        Unlabelled pixels within the LV and its wall.
    rv_enclosed : ndarray of int, shape (frame, slice)
        Pixels of the RV within the LV and its wall.
    wall_mm : ndarray of float, shape (frame, slice)
        Mean thickness of the wall, from the areas within endocardium and epicardium.
    """

    spacing_mm: tuple[float, float, float]
    pixels: Counts
    parts: Counts
    stray: Counts
    roughness: Floats
    heart_mm: Floats
    rv_mm: Floats
    elongation: Floats
    open_share: Floats
    rv_share: Floats
    enclosed: Counts
    rv_enclosed: Counts
    wall_mm: Floats

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.pixels.shape[0])

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return int(self.pixels.shape[1])

    def count(self, structure: Structure) -> Counts:
        """Return the pixels of a structure, shape (frame, slice)."""
        return self.pixels[..., structure - 1]

    def heart_pixels(self) -> Counts:
        """Return the pixels within the epicardium, shape (frame, slice)."""
        return self.count(Structure.LV) + self.count(Structure.MYO)

    def remeasured(self, plane: Plane, frame: int, slice_index: int) -> ShapeFacts:
        """Return the facts after one slice changed.

        Parameters
        ----------
        plane : ndarray of uint8, shape (row, column)
            The new labels of the slice.
        frame, slice_index : int
            Where it lies.
        """
        changed = replace(self, **{name: getattr(self, name).copy() for name in _ARRAYS})
        _measure_plane(plane, changed, frame, slice_index)
        return changed


_WITH_STRUCTURES = ("pixels", "parts", "stray", "roughness")
_POINTS = ("heart_mm", "rv_mm")
_WHOLE = ("pixels", "parts", "stray", "enclosed", "rv_enclosed")
_ARRAYS = (*_WHOLE, *_POINTS, "roughness", "elongation", "open_share", "rv_share", "wall_mm")


def measure_shapes(labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> ShapeFacts:
    """Measure every slice.

    Parameters
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    spacing_mm : tuple of float
        Distance between the centres of slices, rows and columns.
    """
    shape = labels.shape[:2]
    arrays = {}
    for name in _ARRAYS:
        last = (N_STRUCTURES,) if name in _WITH_STRUCTURES else (2,) if name in _POINTS else ()
        arrays[name] = np.zeros((*shape, *last), np.int64 if name in _WHOLE else np.float64)
    facts = ShapeFacts(spacing_mm, **arrays)
    for frame, slice_index in np.ndindex(*shape):
        _measure_plane(labels[frame, slice_index], facts, frame, slice_index)
    return facts


def _measure_plane(plane: Plane, facts: ShapeFacts, frame: int, slice_index: int) -> None:
    """Write the facts of one slice into the arrays."""
    at = frame, slice_index
    for name in _ARRAYS:
        getattr(facts, name)[at] = 0 if name in _WHOLE else np.nan
    boxes = ndimage.find_objects((plane > 0).view(np.uint8))
    if not boxes:
        return
    begin = np.array([side.start for side in boxes[0]])
    part = np.pad(plane[boxes[0]], 1)
    masks = [part == structure for structure in Structure]
    in_plane = np.array(facts.spacing_mm[1:])
    corner_mm = (begin - 1) * in_plane
    cavity, wall, right = masks
    heart = cavity | wall
    for index, mask in enumerate(masks):
        sizes = parts_of(mask, diagonals=True)
        facts.pixels[at][index] = sizes.sum()
        facts.parts[at][index] = len(sizes)
        facts.stray[at][index] = sizes.sum() - sizes.max(initial=0)
    for index, mask in enumerate((cavity, heart, right)):
        facts.roughness[at][index] = _ellipse(mask, in_plane)[1]
    facts.heart_mm[at], _, facts.elongation[at] = _ellipse(heart, in_plane, corner_mm)
    facts.rv_mm[at] = _ellipse(right, in_plane, corner_mm)[0]
    inside = ndimage.binary_fill_holes(heart)
    facts.enclosed[at] = int((inside & (part == 0)).sum())
    facts.rv_enclosed[at] = int((inside & right).sum())
    if cavity.any():
        n_border, n_wall, n_right = _border(cavity, wall, right)
        facts.open_share[at] = 1 - n_wall / n_border
        facts.rv_share[at] = n_right / n_border
    if cavity.any() and wall.any():
        areas_mm2 = np.array([cavity.sum(), heart.sum()]) * in_plane.prod()
        inner, outer = np.sqrt(areas_mm2 / np.pi)
        facts.wall_mm[at] = outer - inner


def _ellipse(
    region: Region, in_plane: Floats, corner_mm: Floats | float = 0.0
) -> tuple[Floats, float, float]:
    """Return the centre in mm, roughness and elongation of a region; not numbers if it is empty."""
    points = np.argwhere(region) * in_plane
    if not len(points):
        return np.full(2, np.nan), np.nan, np.nan
    centre = points.mean(axis=0)
    # A pixel is a small square: its own moments make a single pixel round, too.
    moments = (points - centre).T @ (points - centre) / len(points) + np.diag(in_plane**2) / 12
    short, long = np.linalg.eigvalsh(moments)
    area = len(points) * in_plane.prod()
    return centre + corner_mm, float(4 * np.pi * np.sqrt(short * long) / area), float(np.sqrt(long / short))


def _border(cavity: Region, wall: Region, right: Region) -> tuple[int, int, int]:
    """Count the pixel edges around the cavity: all, those to the wall, and those to the RV."""
    counts = np.zeros(3, int)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beyond = np.roll(cavity, step, axis) & ~cavity
        counts += [int((beyond & other).sum()) for other in (beyond, wall, right)]
    return int(counts[0]), int(counts[1]), int(counts[2])
