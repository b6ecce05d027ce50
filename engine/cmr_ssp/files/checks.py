"""Checks of a cohort that need the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.events import Progress, ignore_progress
from cmr_ssp.files.labels.reading import read_segmentation
from cmr_ssp.files.labels.resolving import resolve_subject
from cmr_ssp.files.stacks import open_stack
from cmr_ssp.subjects import Cohort, Segmentation, SliceOrder, Subject


def check_pixels(cohort: Cohort, on_progress: Progress = ignore_progress) -> tuple[Problem, ...]:
    """Read every image and label of a cohort and report all problems.

    Parameters
    ----------
    cohort : Cohort
        As listed; problems found by listing are not repeated.
    on_progress : callable, optional
        Called with the number of finished subjects and the total.

    Returns
    -------
    tuple of Problem
        Errors (damaged or non-finite pixels, labels that do not fit) and warnings (phases that look
        swapped, labels without a voxel, frames corrected from the pixels).
    """
    problems: list[Problem] = []
    for done, subject in enumerate(cohort.subjects, start=1):
        problems += _image_problems(subject)
        problems += _label_problems(subject)
        on_progress(done, len(cohort.subjects))
    return tuple(dict.fromkeys(problem for problem in problems if problem not in cohort.problems))


def _image_problems(subject: Subject) -> list[Problem]:
    try:
        pixels = open_stack(subject).load()
    except CmrSspError as error:
        return list(error.problems)
    flat = [t for t, volume in enumerate(pixels) if volume.min() == volume.max()]
    what = "all pixels of frame {} (counted from 0) have the same value"
    remedy = "Export the image again, or leave this subject out."
    places = [_place(subject, t) for t in flat]
    return [Problem(place, what.format(t), remedy) for place, t in zip(places, flat, strict=True)]


def _place(subject: Subject, frame: int) -> str:
    """Return the name of a frame in messages; of a DICOM exam, whose path may name a person, the subject."""
    return f"subject {subject.id}" if subject.is_exam else str(subject.frames[frame].path)


def _label_problems(listed: Subject) -> list[Problem]:
    try:
        subject = resolve_subject(listed)
        order = open_stack(subject).grid.slice_order
    except CmrSspError as error:
        return list(error.problems)
    problems = list(subject.problems)
    drawn: dict[Phase, Segmentation] = {}
    for label in subject.labels:
        try:
            drawn[label.phase] = read_segmentation(subject, label.phase)
        except CmrSspError as error:
            problems += error.problems
            continue
        where = f"subject {subject.id}" if subject.is_exam else str(label.source.path)
        problems += _oddities(where, drawn[label.phase], order)
        problems += _enclosed_cavity(where, drawn[label.phase].labels)
    return problems + _phase_problems(subject, drawn)


def _oddities(where: str, segmentation: Segmentation, order: SliceOrder) -> list[Problem]:
    """Warn about labels without voxels, and stacks that seem to begin at the apex."""
    areas = np.count_nonzero(segmentation.labels, axis=(1, 2))
    areas = areas[areas > 0]
    if not len(areas):
        what = "it has no labelled voxel, so it counts as not labelled"
        return [Problem.warning(where, what, "Remove the file, or draw the labels.")]
    third = max(1, len(areas) // 3)
    if len(areas) >= 3 and areas[:third].mean() < areas[-third:].mean():
        known = "by its affine" if order is SliceOrder.BASE_FIRST else "unless an affine says otherwise"
        what = f"its labels grow from slice to slice, but stacks are read base first {known}"
        return [Problem.warning(where, what, "Check the slice order: relative slice positions depend on it.")]
    return []


def _enclosed_cavity(where: str, labels: NDArray[np.uint8]) -> list[Problem]:
    """Warn if the myocardium encloses another cavity than the LV, counted over slices."""
    from scipy import ndimage  # takes 0.4 s, which listing does not need

    inside = np.zeros(1 + max(Structure), int)
    for drawn in labels:
        myocardium = drawn == Structure.MYO
        if myocardium.any():
            hole = ndimage.binary_fill_holes(myocardium) & ~myocardium
            inside += np.bincount(drawn[hole], minlength=len(inside))
    if inside[Structure.RV] <= inside[Structure.LV]:
        return []
    what = (
        f"the cavity that the myocardium encloses is called RV ({inside[Structure.RV]} voxels), "
        f"not LV ({inside[Structure.LV]})"
    )
    return [Problem.warning(where, what, "Define the structure of each number in cohort.yaml.")]


def _phase_problems(subject: Subject, drawn: dict[Phase, Segmentation]) -> list[Problem]:
    """Warn if the LV cavity is smaller at ED than at ES."""
    if set(drawn) != set(Phase):
        return []
    sizes = {phase: np.count_nonzero(seg.labels == Structure.LV) for phase, seg in drawn.items()}
    if sizes[Phase.ED] >= sizes[Phase.ES]:
        return []
    what = f"the LV has {sizes[Phase.ED]} voxels at ED and {sizes[Phase.ES]} at ES"
    return [Problem.warning(f"subject {subject.id}", what, "Check whether ED and ES are swapped.")]
