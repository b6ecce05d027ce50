"""The slice x frame table of a stack: which planes make which frame of which slice, and where it lies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError, Problem, Severity
from cmr_ssp.files.dicom.candidates import Candidate, Slice, offset, rotation_degrees
from cmr_ssp.files.dicom.options import SortOptions
from cmr_ssp.files.dicom.passes import Pass
from cmr_ssp.files.dicom.planes import Plane
from cmr_ssp.files.geometry import slice_order
from cmr_ssp.files.nifti import CINE_SPACING_S, MAX_VOXELS
from cmr_ssp.subjects import Grid, SliceOrder

Mix = tuple[tuple[Plane, float], ...]
"""Planes and their weights, which sum to 1; a single plane where nothing is interpolated."""

Row = tuple[Mix, ...]
"""All frames of one slice."""

_EVEN = 0.1  # share of the slice distance by which slices may be off
_LEAST_ASIDE_MM = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """What a stack is made of.

    Attributes
    ----------
    rows : tuple of Row
        By slice, base first where the order is known.
    grid : Grid
        Where it lies.
    frame_spacing_s : float or None
        Median time between frames.
    problems : tuple of Problem
        What was done to make it fit (warnings).
    alterations : tuple of str
        What was computed or left out.
    """

    rows: tuple[Row, ...]
    grid: Grid
    frame_spacing_s: float | None
    problems: tuple[Problem, ...]
    alterations: tuple[str, ...] = ()


def make_table(candidate: Candidate, options: SortOptions, where: str) -> FrameTable:
    """Arrange a candidate as slices and frames.

    Raises
    ------
    ImageError
        With every reason why its slices do not fit together.
    """
    chosen, notes = _chosen(candidate.slices, options, where)
    problems = [*notes, *_duplicates(candidate.slices, chosen, where), *_aside(candidate, where)]
    problems += _unequal(candidate.slices, chosen, options, where)
    multiples, uneven = _multiples(candidate.slices, where)
    problems += uneven or _gaps(candidate, multiples, options, where)
    problems += _size(candidate, where)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise ImageError(*errors)
    n_frames = commonest(len(each.planes) for each in chosen)
    rows = [_resampled(each, n_frames) for each in chosen]
    alterations = _alterations(chosen, multiples, options)
    if options.missing_slice == "interpolate":
        rows, multiples = _filled(rows, multiples)
    rows, grid = _placed(rows, multiples)
    return FrameTable(tuple(rows), grid, _frame_spacing(chosen), tuple(problems), alterations)


def _alterations(chosen: Sequence[Pass], multiples: Sequence[int], options: SortOptions) -> tuple[str, ...]:
    resampled = len({len(each.planes) for each in chosen}) > 1
    gap = multiples[-1] + 1 > len(multiples)
    missing = "interpolated" if options.missing_slice == "interpolate" else "left out"
    return ("frames were resampled",) * resampled + (f"missing slices were {missing}",) * gap


def commonest(counts: Iterable[int]) -> int:
    """Return the commonest of some numbers, the largest of several."""
    tally = Counter(counts)
    return max(tally, key=lambda count: (tally[count], count))


def _chosen(slices: Sequence[Slice], options: SortOptions, where: str) -> tuple[list[Pass], list[Problem]]:
    """Choose one pass of each slice."""
    chosen = [at.passes[-1 if options.repeated == "last" else 0] for at in slices]
    repeated = [k for k, at in enumerate(slices) if len(at.passes) > 1]
    notes = []
    if repeated:
        what = f"{_slices(slices, repeated)} been acquired more than once; the {options.repeated} one is used"
        other = "first" if options.repeated == "last" else "last"
        notes.append(warning(where, what, f"Look at these slices; --repeated {other} takes the other."))
    if not all(each.timed for each in chosen):
        what = "its frames have no trigger times; they are in the order of their numbers"
        notes.append(warning(where, what, "Look at the cine: it should beat evenly."))
    return chosen, notes


def _duplicates(slices: Sequence[Slice], chosen: Sequence[Pass], where: str) -> list[Problem]:
    wrong = [k for k, each in enumerate(chosen) if each.duplicates]
    if not wrong:
        return []
    what = f"{_slices(slices, wrong)} more than one image at the same position and time"
    return [Problem(where, what, "Export the exam again, or remove the images that are there twice.")]


def _unequal(
    slices: Sequence[Slice], chosen: Sequence[Pass], options: SortOptions, where: str
) -> list[Problem]:
    counts = [len(each.planes) for each in chosen]
    if len(set(counts)) == 1:
        return []
    usual = commonest(counts)
    odd = [k for k, count in enumerate(counts) if count != usual]
    listed = ", ".join(f"{counts[k]} at {slices[k].position_mm:.1f} mm" for k in odd)
    what = f"its slices have different numbers of frames: {usual}, but {listed}"
    if options.unequal_frames == "resample":
        return [warning(where, f"{what}; these were resampled in time", "Trust their frames less.")]
    remedy = "Resample them by trigger time with --unequal-frames resample, or take --repeated first."
    return [Problem(where, what, remedy)]


def _aside(candidate: Candidate, where: str) -> list[Problem]:
    """Refuse slices whose centres do not lie on a line."""
    centres = np.array([at.passes[-1].planes[0].centre_mm for at in candidate.slices])
    positions = np.array([at.position_mm for at in candidate.slices])
    fit = np.polynomial.polynomial.polyfit(positions, centres, 1)
    off = np.linalg.norm(centres - (fit[0] + positions[:, None] * fit[1]), axis=1)
    in_plane = off > max(_LEAST_ASIDE_MM, *candidate.first.spacing_mm)
    spacing = float(np.diff(positions).min())
    if not in_plane.any() or off.max() < _EVEN * spacing:
        return []
    what = f"its slices are shifted sideways against each other, by up to {off.max():.1f} mm"
    return [Problem(where, what, "Export the slices of one planning only.")]


def _multiples(slices: Sequence[Slice], where: str) -> tuple[list[int], list[Problem]]:
    """Return the place of each slice in units of the slice distance."""
    positions = np.array([at.position_mm for at in slices])
    steps = np.diff(positions)
    units = np.rint(steps / np.median(steps) if len(steps) > 2 else steps / steps.min())
    if units.min() < 1 or (len(units) and np.median(units) > 1):
        units = np.rint(steps / steps.min())
    distance = float((positions[-1] - positions[0]) / units.sum())
    if np.abs(steps - units * distance).max() > _EVEN * distance:
        listed = ", ".join(f"{step:.1f}" for step in steps)
        what = f"its slices do not lie at equal distances ({listed} mm)"
        return [], [Problem(where, what, "Export the slices of one planning only.")]
    return [0, *np.cumsum(units).astype(int).tolist()], []


def _gaps(candidate: Candidate, multiples: Sequence[int], options: SortOptions, where: str) -> list[Problem]:
    """Report slices that are missing, and those that lie in their place but do not fit."""
    slices = candidate.slices
    inside = [
        slices[0].position_mm < offset(s.planes[0], candidate.first)[0] < slices[-1].position_mm
        for s in candidate.strays
    ]
    beyond = [s for s, within in zip(candidate.strays, inside, strict=True) if not within]
    notes = [
        warning(where, f"{_misfit(s, candidate)} and left out", "Nothing, if that is right.") for s in beyond
    ]
    n_missing = multiples[-1] + 1 - len(multiples)
    if not n_missing:
        return notes
    reasons = [_misfit(s, candidate) for s, within in zip(candidate.strays, inside, strict=True) if within]
    between = "; ".join(
        f"between {low.position_mm:.1f} and {high.position_mm:.1f} mm"
        for low, high, step in zip(slices, slices[1:], np.diff(multiples), strict=False)
        if step > 1
    )
    what = f"it has a gap: {n_missing} slice(s) missing {between}" + "".join(f"; {why}" for why in reasons)
    done = {
        "skip": ("left out, so what lies beyond is drawn nearer than it is", "Volumes lack these slices."),
        "interpolate": ("interpolated between their neighbours", "Do not trust these slices."),
    }
    if n_missing >= len(slices):
        return [*notes, Problem(where, what, "Export the exam again: half of its slices are missing.")]
    if options.missing_slice == "refuse":
        remedy = "Add the slice, or go on with --missing-slice skip or --missing-slice interpolate."
        return [*notes, Problem(where, what, remedy)]
    how, remedy = done[options.missing_slice]
    return [*notes, warning(where, f"{what}; they were {how}", remedy)]


def _misfit(stray: Pass, candidate: Candidate) -> str:
    plane, first = stray.planes[0], candidate.first
    at, _ = offset(plane, first)
    angle = rotation_degrees(plane, first)
    if angle > 1:
        return f"the slice at {at:.1f} mm is rotated by {angle:.0f} degrees against the others"
    return f"the slice at {at:.1f} mm has another pixel grid ({plane.shape[0]} x {plane.shape[1]})"


def _size(candidate: Candidate, where: str) -> list[Problem]:
    shape = (candidate.n_frames, len(candidate.slices), *candidate.first.shape)
    if math.prod(shape) <= MAX_VOXELS:
        return []
    what = f"it claims {' x '.join(map(str, shape))} pixels, more than any cine has"
    return [Problem(where, what, "The files are damaged: copy them again.")]


def _resampled(each: Pass, n_frames: int) -> Row:
    """Return `n_frames` frames of a slice, interpolated over the beat where it has another number."""
    planes = each.planes
    if len(planes) == n_frames:
        return tuple(((plane, 1.0),) for plane in planes)
    phases = _phases(each)
    ends = np.append(phases, 1.0)  # the beat begins again
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


def _phases(each: Pass) -> NDArray[np.float64]:
    """Return where in the beat each frame lies, 0 to 1, the first at 0."""
    n, spacing_ms = len(each.planes), each.spacing_ms
    if spacing_ms is None:
        return np.arange(n) / n
    times = np.array(each.times_ms) - each.times_ms[0]
    beat_ms = each.planes[0].rr_ms or 0.0
    if not times[-1] + spacing_ms / 2 < beat_ms < 2 * (times[-1] + spacing_ms):
        beat_ms = float(times[-1] + spacing_ms)
    phases: NDArray[np.float64] = times / beat_ms
    return phases


def _mixed(parts: Sequence[tuple[Mix, float]]) -> Mix:
    weights: dict[Plane, float] = {}
    for mix, share in parts:
        for plane, weight in mix:
            weights[plane] = weights.get(plane, 0.0) + weight * share
    return tuple((plane, weight) for plane, weight in weights.items() if weight > 0)


def _filled(rows: Sequence[Row], multiples: Sequence[int]) -> tuple[list[Row], list[int]]:
    """Put interpolated slices where some are missing."""
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
    """Turn slices base first, and work out where they lie."""
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
    """Return the voxel-to-world matrix of (column, row, slice); DICOM's LPS turned into RAS+."""
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


def _slices(slices: Sequence[Slice], which: Sequence[int]) -> str:
    listed = ", ".join(f"{slices[k].position_mm:.1f}" for k in which)
    return f"the slice at {listed} mm has" if len(which) == 1 else f"the slices at {listed} mm have"


def warning(where: str, what: str, remedy: str) -> Problem:
    """Make a problem that lets the work go on."""
    return Problem(where, what, remedy, Severity.WARNING)
