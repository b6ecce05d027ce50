"""Check whether the slices of a candidate fit together, and apply the options where they do not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from cmr_ssp.errors import Problem
from cmr_ssp.files.dicom.candidates import Candidate, Slice, offset, rotation_degrees
from cmr_ssp.files.dicom.passes import Pass
from cmr_ssp.files.formats.nifti import MAX_VOXELS
from cmr_ssp.subjects.sorting import SortOptions

_EVEN = 0.1  # tolerated deviation, as a fraction of the slice distance
_LEAST_ASIDE_MM = 1.0


def commonest(counts: Iterable[int]) -> int:
    """Return the most common number; of several, the largest."""
    tally = Counter(counts)
    return max(tally, key=lambda count: (tally[count], count))


def choose_passes(
    slices: Sequence[Slice], options: SortOptions, where: str
) -> tuple[list[Pass], list[Problem]]:
    """Choose one pass for each slice; return warnings about repeated slices and missing trigger times."""
    chosen = [at.passes[-1 if options.repeated == "last" else 0] for at in slices]
    repeated = [k for k, at in enumerate(slices) if len(at.passes) > 1]
    notes = []
    if repeated:
        what = f"{_slices(slices, repeated)} been acquired more than once; the {options.repeated} one is used"
        other = "first" if options.repeated == "last" else "last"
        notes.append(
            Problem.warning(
                where,
                what,
                f"Check these slices; cmr-ssp convert --repeated {other} uses the other acquisition.",
            )
        )
    if not all(each.timed for each in chosen):
        what = "its frames have no trigger times; they were ordered by their instance numbers"
        notes.append(Problem.warning(where, what, "Check that the cine beats evenly."))
    return chosen, notes


def duplicate_problems(slices: Sequence[Slice], chosen: Sequence[Pass], where: str) -> list[Problem]:
    """Report slices with several images at the same time point."""
    wrong = [k for k, each in enumerate(chosen) if each.duplicates]
    if not wrong:
        return []
    what = f"{_slices(slices, wrong)} more than one image at the same position and time"
    return [Problem(where, what, "Export the exam again, or remove the duplicate images.")]


def unequal_problems(
    slices: Sequence[Slice], chosen: Sequence[Pass], options: SortOptions, where: str
) -> list[Problem]:
    """Report slices with an unusual number of frames."""
    counts = [len(each.planes) for each in chosen]
    if len(set(counts)) == 1:
        return []
    usual = commonest(counts)
    odd = [k for k, count in enumerate(counts) if count != usual]
    listed = ", ".join(f"{counts[k]} at {slices[k].position_mm:.1f} mm" for k in odd)
    what = f"its slices have different numbers of frames: {usual}, but {listed}"
    if options.unequal_frames == "resample":
        return [
            Problem.warning(
                where, f"{what}; these were resampled in time", "Check the motion in these slices."
            )
        ]
    remedy = "Resample by trigger time: cmr-ssp convert --unequal-frames resample."
    return [Problem(where, what, remedy)]


def aside_problems(candidate: Candidate, where: str) -> list[Problem]:
    """Report slices with centres that do not lie on a line."""
    centres = np.array([at.passes[-1].planes[0].centre_mm for at in candidate.slices])
    positions = np.array([at.position_mm for at in candidate.slices])
    fit = np.polynomial.polynomial.polyfit(positions, centres, 1)
    off = np.linalg.norm(centres - (fit[0] + positions[:, None] * fit[1]), axis=1)
    if off.max() <= max(_LEAST_ASIDE_MM, *candidate.first.spacing_mm):
        return []
    what = f"its slices are shifted sideways against each other, by up to {off.max():.1f} mm"
    return [Problem(where, what, "Export only slices that were planned as one stack.")]


def slice_multiples(slices: Sequence[Slice], where: str) -> tuple[list[int], list[Problem]]:
    """Return the position of each slice in multiples of the slice distance, or why there are none."""
    positions = np.array([at.position_mm for at in slices])
    steps = np.diff(positions)
    units = np.rint(steps / np.median(steps) if len(steps) > 2 else steps / steps.min())
    if units.min() < 1:  # most slices are missing
        units = np.rint(steps / steps.min())
    distance = float((positions[-1] - positions[0]) / units.sum())
    if np.abs(steps - units * distance).max() > _EVEN * distance:
        listed = ", ".join(f"{step:.1f}" for step in steps)
        what = f"its slices are not equally spaced ({listed} mm)"
        return [], [Problem(where, what, "Export only slices that were planned as one stack.")]
    return [0, *np.cumsum(units).astype(int).tolist()], []


def gap_problems(
    candidate: Candidate, multiples: Sequence[int], options: SortOptions, where: str
) -> list[Problem]:
    """Report missing slices, and slices in their place that do not fit."""
    inside, beyond = _strays(candidate)
    notes = [
        Problem.warning(
            where, f"{_misfit(each, candidate)} and left out", "Nothing needs to be done if that is correct."
        )
        for each in beyond
    ]
    n_missing = multiples[-1] + 1 - len(multiples)
    if not n_missing:
        return notes
    between = "; ".join(
        f"between {low.position_mm:.1f} and {high.position_mm:.1f} mm"
        for low, high, step in zip(candidate.slices, candidate.slices[1:], np.diff(multiples), strict=False)
        if step > 1
    )
    reasons = "".join(f"; {_misfit(each, candidate)}" for each in inside)
    what = f"it has a gap: {n_missing} slice(s) missing {between}{reasons}"
    if n_missing >= len(candidate.slices):
        remedy = "Export the exam again: half of its slices are missing."
        return [*notes, Problem(where, what, remedy)]
    return [*notes, _missing(what, options, where)]


def _missing(what: str, options: SortOptions, where: str) -> Problem:
    match options.missing_slice:
        case "skip":
            what += "; they were left out, so the remaining slices appear closer together than they are"
            return Problem.warning(where, what, "Volumes do not include these slices.")
        case "interpolate":
            what += "; they were interpolated between their neighbours"
            return Problem.warning(where, what, "Do not rely on these slices.")
    remedy = "Add the slice, or use cmr-ssp convert --missing-slice skip (or interpolate)."
    return Problem(where, what, remedy)


def _strays(candidate: Candidate) -> tuple[list[Pass], list[Pass]]:
    """Return the slices that do not fit: those inside the stack, and those beyond its ends."""
    low, high = candidate.slices[0].position_mm, candidate.slices[-1].position_mm
    along = [offset(each.planes[0], candidate.first)[0] for each in candidate.strays]
    found = list(zip(candidate.strays, along, strict=True))
    return (
        [each for each, at in found if low < at < high],
        [each for each, at in found if not low < at < high],
    )


def _misfit(stray: Pass, candidate: Candidate) -> str:
    plane, first = stray.planes[0], candidate.first
    at, _ = offset(plane, first)
    angle = rotation_degrees(plane, first)
    if angle > 1:
        return f"the slice at {at:.1f} mm is rotated by {angle:.0f} degrees relative to the others"
    return f"the slice at {at:.1f} mm has another pixel grid ({plane.shape[0]} x {plane.shape[1]})"


def size_problems(candidate: Candidate, where: str) -> list[Problem]:
    """Report a stack larger than any cine, before memory is allocated."""
    shape = (candidate.n_frames, len(candidate.slices), *candidate.first.shape)
    if math.prod(shape) <= MAX_VOXELS:
        return []
    what = f"it claims {' x '.join(map(str, shape))} pixels, more than any cine has"
    return [Problem(where, what, "The files are damaged: copy them again.")]


def _slices(slices: Sequence[Slice], which: Sequence[int]) -> str:
    listed = ", ".join(f"{slices[k].position_mm:.1f}" for k in which)
    return f"the slice at {listed} mm has" if len(which) == 1 else f"the slices at {listed} mm have"
