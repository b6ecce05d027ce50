"""Segmentations from label files, in the engine's structure numbers and slice order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import OTHER_STRUCTURES, Numbering, Phase, Structure
from cmr_ssp.errors import CmrSspError, LabelError, Problem
from cmr_ssp.files.contours.sunnybrook import find_contours, labels_from_contours
from cmr_ssp.files.formats.nifti import NiftiHeader, read_header
from cmr_ssp.files.formats.pixels import read_stored
from cmr_ssp.files.labels.placing import placed
from cmr_ssp.files.stacks import open_stack
from cmr_ssp.subjects import CineStack, LabelSource, Segmentation, Subject


def read_segmentation(subject: Subject, phase: Phase | str) -> Segmentation:
    """Read what somebody drew on one phase of a subject, such as ``"ED"``.

    A structure that has no voxel in the volume counts as not labelled, so it is not in `drawn`.

    Raises
    ------
    LabelError
        Where the phase is not labelled, or its file is unreadable, of another shape than the cine, or
        holds numbers that are no structure.
    """
    subject, problems = placed(subject)
    source = subject.label(phase)
    if source is None and problems:
        raise LabelError(*problems)
    if source is None:
        where, what = f"subject {subject.id}", f"it has no {phase} label"
        labelled = " and ".join(subject.phases) or "nothing"
        raise LabelError.of(where, what, f"Add a label file; {labelled} is labelled.")
    stored = read_label_volume(source, open_stack(subject))
    labels = to_structures(stored, source.numbering, str(source.source.path))
    present = np.bincount(labels.ravel(), minlength=1 + max(Structure))
    drawn = frozenset(structure for structure in Structure if present[structure])
    return Segmentation(labels, source.frame, drawn)


def read_label_volume(source: LabelSource, stack: CineStack) -> NDArray[Any]:
    """Read the numbers of one label volume, shape (slice, row, column), in the slice order of `stack`.

    Raises
    ------
    LabelError
        Where the file is unreadable or does not fit the stack.
    """
    if source.source.path.is_dir():
        return _drawn_contours(source, stack)
    try:
        header = read_header(source.source.path)
        problems = label_header_problems(header, source, stack)
        if problems:
            raise LabelError(*problems)
        volume: NDArray[Any] = read_numbers(header)[source.source.index or 0]
    except LabelError:
        raise
    except CmrSspError as error:
        raise LabelError(*error.problems) from error
    return volume[::-1] if stack.grid.slices_reversed else volume


def _drawn_contours(source: LabelSource, stack: CineStack) -> NDArray[Any]:
    """Draw a folder of contour files, which begin at the base and have the engine's numbers."""
    folder = source.source.path
    volumes = labels_from_contours(find_contours(folder), stack.n_frames, stack.grid.shape)
    if source.frame not in volumes:
        what = f"it has no contours of frame {source.frame} (counted from 0)"
        raise LabelError.of(folder, what, "List the cohort again.")
    return volumes[source.frame]


def label_files(source: LabelSource) -> list[Path]:
    """Return the files that labels are read from: one, or those of a folder of contours."""
    path = source.source.path
    if not path.is_dir():
        return [path]
    return sorted(file for files in find_contours(path).values() for file in files.values())


def read_numbers(header: NiftiHeader) -> NDArray[Any]:
    """Read a whole label file, scaling applied where it has one, shape (frame, slice, row, column)."""
    stored = read_stored(header)
    return stored * header.slope + header.intercept if header.is_scaled else stored


def label_header_problems(header: NiftiHeader, label: LabelSource, stack: CineStack) -> list[Problem]:
    """List what the header alone shows to be wrong with a label file."""
    where, index = str(header.path), label.source.index
    problems: list[Problem] = []
    if header.shape[1:] != stack.grid.shape:
        cine = stack.grid.shape
        what = f"the label's shape (slice, row, column) is {header.shape[1:]}, that of its cine {cine}"
        remedy = "Draw labels on the cine's own grid, or resample them to it."
        problems.append(Problem(where, what, remedy))
    expected = 1 if index is None else stack.n_frames
    if header.shape[0] != expected:
        what = f"the label has {header.shape[0]} frames instead of {expected}"
        remedy = "Give one volume for one phase, or one volume for each frame of the cine."
        problems.append(Problem(where, what, remedy))
    elif not 0 <= label.frame < stack.n_frames:
        what = f"it labels frame {label.frame} (counted from 0) of a cine of {stack.n_frames}"
        remedy = "Correct the frame numbers given with the cohort."
        problems.append(Problem(where, what, remedy))
    return problems


def to_structures(stored: NDArray[Any], numbering: Numbering, where: str) -> NDArray[np.uint8]:
    """Turn a file's numbers into the engine's.

    Raises
    ------
    LabelError
        Naming the numbers that are no structure.
    """
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise LabelError.of(
            where, "it holds values that are not a number", "Save the labels as whole numbers."
        )
    low, high = float(stored.min()), float(stored.max())
    numbers = np.rint(stored) if stored.dtype.kind == "f" else stored
    if numbers is not stored and not np.array_equal(numbers, stored):
        remedy = "Save the labels as whole numbers; resample them with nearest neighbours only."
        raise LabelError.of(where, "it holds values that are no whole numbers", remedy)
    if low < 0 or high > 255:
        raise _unknown(where, [low if low < 0 else high], numbering)
    numbers = np.ascontiguousarray(numbers, np.uint8)
    present = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256))
    unknown = [int(number) for number in present if number and int(number) not in numbering]
    if unknown:
        raise _unknown(where, unknown, numbering)
    table = np.zeros(256, np.uint8)
    for number, structure in numbering.items():
        table[number] = structure
    labels: NDArray[np.uint8] = table[numbers]
    return labels


def _unknown(where: str, numbers: list[int] | list[float], numbering: Numbering) -> LabelError:
    listed = ", ".join(f"{number:g}" for number in numbers)
    meanings = ", ".join(f"{number} = {structure.name}" for number, structure in sorted(numbering.items()))
    what = f"structure number {listed} is unknown here ({meanings})"
    remedy = f"State the numbers in cohort.yaml if they are other ones. {OTHER_STRUCTURES}"
    return LabelError.of(where, what, remedy)
