"""The table of slices and frames of a stack: the planes of each frame of each slice, and their geometry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError, Problem, Severity
from cmr_ssp.files.dicom.candidates import Candidate
from cmr_ssp.files.dicom.fitting import (
    aside_problems,
    choose_passes,
    commonest,
    duplicate_problems,
    gap_problems,
    size_problems,
    slice_multiples,
    unequal_problems,
)
from cmr_ssp.files.dicom.origins import mixed_stack_problems
from cmr_ssp.files.dicom.passes import Pass
from cmr_ssp.files.dicom.planes import Plane
from cmr_ssp.files.formats.geometry import size_problems as voxel_problems
from cmr_ssp.files.formats.geometry import slice_order
from cmr_ssp.files.formats.nifti import CINE_SPACING_S
from cmr_ssp.subjects import Grid, SliceOrder
from cmr_ssp.subjects.sorting import SortOptions

Mix = tuple[tuple[Plane, float], ...]
"""Planes with weights that sum to 1; a single plane without interpolation."""

Row = tuple[Mix, ...]
"""All frames of one slice."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """The planes and geometry of a stack.

    Attributes
    ----------
    rows : tuple of Row
        One per slice, base first if the order is known.
    grid : Grid
        Geometry of the stack.
    frame_spacing_s : float or None
        Median time between frames.
    problems : tuple of Problem
        Warnings about slices that did not fit.
    alterations : tuple of str
        Descriptions of resampled, interpolated or left-out data.
    """

    rows: tuple[Row, ...]
    grid: Grid
    frame_spacing_s: float | None
    problems: tuple[Problem, ...]
    alterations: tuple[str, ...] = ()


def make_table(candidate: Candidate, options: SortOptions, where: str) -> FrameTable:
    """Arrange the planes of a candidate in slices and frames.

    Raises
    ------
    ImageError
        If its slices do not fit together; the error has every reason.
    """
    chosen, notes = choose_passes(candidate.slices, options, where)
    problems = [
        *mixed_stack_problems(candidate.planes, where),
        *notes,
        *duplicate_problems(candidate.slices, chosen, where),
        *aside_problems(candidate, where),
    ]
    problems += unequal_problems(candidate.slices, chosen, options, where)
    multiples, uneven = slice_multiples(candidate.slices, where)
    problems += uneven or gap_problems(candidate, multiples, options, where)
    problems += size_problems(candidate, where)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise ImageError(*errors)
    n_frames = commonest(len(each.planes) for each in chosen)
    rows = [_resampled(each, n_frames) for each in chosen]
    alterations = _alterations(chosen, multiples, options)
    if options.missing_slice == "interpolate":
        rows, multiples = _filled(rows, multiples)
    rows, grid = _placed(rows, multiples)
    impossible = voxel_problems(grid.spacing_mm, where)
    if impossible:
        raise ImageError(*impossible)
    return FrameTable(tuple(rows), grid, _frame_spacing(chosen), tuple(problems), alterations)


def _alterations(chosen: Sequence[Pass], multiples: Sequence[int], options: SortOptions) -> tuple[str, ...]:
    resampled = len({len(each.planes) for each in chosen}) > 1
    gap = multiples[-1] + 1 > len(multiples)
    missing = "interpolated" if options.missing_slice == "interpolate" else "left out"
    return ("frames were resampled",) * resampled + (f"missing slices were {missing}",) * gap


def _resampled(each: Pass, n_frames: int) -> Row:
    """Return `n_frames` frames of a slice; interpolate over the cardiac cycle if the number differs."""
    planes = each.planes
    if len(planes) == n_frames:
        return tuple(((plane, 1.0),) for plane in planes)
    positions = _cycle_positions(each)
    ends = np.append(positions, 1.0)  # the cycle starts again
    row: list[Mix] = []
    for wanted in np.arange(n_frames) / n_frames:
        before = int(np.searchsorted(ends, wanted, side="right")) - 1
        share = float((wanted - ends[before]) / (ends[before + 1] - ends[before]))
        row.append(
            _mixed(
                [(((planes[before], 1.0),), 1 - share), (((planes[(before + 1) % len(planes)], 1.0),), share)]
            )
        )
    return tuple(row)


def _cycle_positions(each: Pass) -> NDArray[np.float64]:
    """Return the position of each frame in the cardiac cycle, 0 to 1, the first at 0."""
    n, spacing_ms = len(each.planes), each.spacing_ms
    if spacing_ms is None:
        return np.arange(n) / n
    times = np.array(each.times_ms) - each.times_ms[0]
    beat_ms = each.planes[0].rr_ms or 0.0
    if not times[-1] + spacing_ms / 2 < beat_ms < 2 * (times[-1] + spacing_ms):
        beat_ms = float(times[-1] + spacing_ms)
    positions: NDArray[np.float64] = times / beat_ms
    return positions


def _mixed(parts: Sequence[tuple[Mix, float]]) -> Mix:
    weights: dict[Plane, float] = {}
    for mix, share in parts:
        for plane, weight in mix:
            weights[plane] = weights.get(plane, 0.0) + weight * share
    return tuple((plane, weight) for plane, weight in weights.items() if weight > 0)


def _filled(rows: Sequence[Row], multiples: Sequence[int]) -> tuple[list[Row], list[int]]:
    """Insert interpolated slices for missing ones."""
    filled: list[Row] = [rows[0]]
    for row, low, high in zip(rows[1:], multiples, multiples[1:], strict=False):
        before = filled[-1]
        for place in range(low + 1, high):
            share = (place - low) / (high - low)
            filled.append(
                tuple(_mixed([(a, 1 - share), (b, share)]) for a, b in zip(before, row, strict=True))
            )
        filled.append(row)
    return filled, list(range(len(filled)))


def _placed(rows: Sequence[Row], multiples: Sequence[int]) -> tuple[list[Row], Grid]:
    """Order the slices base first and compute the grid."""
    first, last = rows[0][0][0][0], rows[-1][0][0][0]
    distance = float((last.centre_mm - first.centre_mm) @ first.axes[2]) / multiples[-1]
    order, is_reversed = slice_order(_affine(first, last, multiples[-1]))
    if order is SliceOrder.UNKNOWN:
        is_reversed = _number(first) > _number(last)
    if is_reversed:
        rows, first, last = rows[::-1], last, first
    rows_mm, columns_mm = first.spacing_mm
    grid = Grid(
        shape=(len(rows), *first.shape),
        spacing_mm=(abs(distance), rows_mm, columns_mm),
        affine=_affine(first, last, multiples[-1]),
        slice_order=order,
    )
    return list(rows), grid


def _number(plane: Plane) -> tuple[int, int]:
    return plane.series_number, plane.instance_number


def _affine(first: Plane, last: Plane, n_steps: int) -> NDArray[np.float64]:
    """Return the voxel-to-world matrix of (column, row, slice), converted from LPS to RAS+."""
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing_mm[1]
    affine[:3, 1] = first.axes[1] * first.spacing_mm[0]
    affine[:3, 2] = (last.centre_mm - first.centre_mm) / n_steps
    affine[:3, 3] = first.position_mm
    affine[:2] *= -1
    return affine


def _frame_spacing(chosen: Sequence[Pass]) -> float | None:
    spacings = [each.spacing_ms for each in chosen]
    known = [spacing for spacing in spacings if spacing is not None]
    seconds = float(np.median(known)) / 1000 if known else math.nan
    return seconds if CINE_SPACING_S[0] <= seconds <= CINE_SPACING_S[1] else None
