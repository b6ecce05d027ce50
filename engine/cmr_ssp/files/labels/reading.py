"""Read segmentations from label files, in the engine's structure numbers and slice order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import OTHER_STRUCTURES, Numbering, Phase, phase_named
from cmr_ssp.errors import CmrSspError, LabelError, Problem
from cmr_ssp.files.contours import READERS
from cmr_ssp.files.formats.frame_reading import index_in_file
from cmr_ssp.files.formats.nifti import NiftiHeader, read_header
from cmr_ssp.files.formats.pixels import read_stored
from cmr_ssp.files.stacks import open_stack
from cmr_ssp.subjects import CineStack, ContourSource, FrameSource, LabelSource, ResolvedSubject, Segmentation


def read_segmentation(subject: ResolvedSubject, phase: Phase | str) -> Segmentation:
    """Read the labels of one phase of a subject, such as ``"ED"``.

    Structures without voxels count as not labelled and are not in `drawn`.

    Raises
    ------
    LabelError
        If the phase is not labelled, or its file is unreadable, has another shape than the cine, or contains
        numbers without a structure.
    """
    source = {label.phase: label for label in subject.labels}.get(phase_named(phase))
    if source is None:
        where, what = f"subject {subject.id}", f"it has no {phase} label"
        labelled = " and ".join(subject.phases) or "nothing"
        missing = Problem(where, what, f"Add a label file; {labelled} is labelled.")
        raise LabelError(missing, *subject.problems)  # these explain why a label was dropped
    stored = read_label_volume(source, open_stack(subject))
    labels = to_structures(stored, source.numbering, str(source.source.path))
    return Segmentation.of(labels, source.frame)


def read_label_volume(source: LabelSource, stack: CineStack) -> NDArray[Any]:
    """Read the numbers of one label volume, shape (slice, row, column), in the slice order of `stack`.

    Raises
    ------
    LabelError
        If the file is unreadable or does not fit the stack.
    """
    place = source.source
    if isinstance(place, ContourSource):
        return _drawn_contours(place, source.listed_frame, stack)
    try:
        header = read_header(place.path)
        problems = label_header_problems(header, source, stack)
        if problems:
            raise LabelError(*problems)
        volume: NDArray[Any] = read_numbers(header)[index_in_file(place)]
    except LabelError:
        raise
    except CmrSspError as error:
        raise LabelError(*error.problems) from error
    return volume[::-1] if stack.grid.slices_reversed else volume


def _drawn_contours(source: ContourSource, frame: int, stack: CineStack) -> NDArray[Any]:
    """Rasterise the contours of one frame, in the engine's numbers."""
    volumes = READERS[source.format].draw_contours(source.path, stack)
    if frame not in volumes:
        what = f"there are no contours on frame {frame} (counted from 0)"
        raise LabelError.of(source.path, what, "List the cohort again.")
    return volumes[frame]


def label_files(source: LabelSource) -> list[Path]:
    """Return the files of a label source: one, or those in a folder of contours."""
    place = source.source
    if isinstance(place, ContourSource):
        return READERS[place.format].contour_files(place.path)
    return [place.path]


def read_numbers(header: NiftiHeader) -> NDArray[Any]:
    """Read a whole label file with its scaling, shape (frame, slice, row, column)."""
    stored = read_stored(header)
    return stored * header.slope + header.intercept if header.is_scaled else stored


def label_header_problems(header: NiftiHeader, label: LabelSource, stack: CineStack) -> list[Problem]:
    """Return the problems of a label file that its header shows."""
    where = str(header.path)
    problems: list[Problem] = []
    if header.shape[1:] != stack.grid.shape:
        cine = stack.grid.shape
        what = f"the label's shape (slice, row, column) is {header.shape[1:]}, that of its cine {cine}"
        remedy = "Draw labels on the cine's own grid, or resample them to it."
        problems.append(Problem(where, what, remedy))
    expected = stack.n_frames if isinstance(label.source, FrameSource) else 1
    if header.shape[0] != expected:
        what = f"the label has {header.shape[0]} frames instead of {expected}"
        remedy = "Use one volume for one phase, or one volume for each frame of the cine."
        problems.append(Problem(where, what, remedy))
    elif not 0 <= label.listed_frame < stack.n_frames:
        what = f"it labels frame {label.listed_frame} (counted from 0) of a cine of {stack.n_frames}"
        remedy = "Correct the frame numbers given with the cohort."
        problems.append(Problem(where, what, remedy))
    return problems


def to_structures(stored: NDArray[Any], numbering: Numbering, where: str) -> NDArray[np.uint8]:
    """Convert the numbers of a file to the engine's.

    Raises
    ------
    LabelError
        If there are numbers without a structure; the error names them.
    """
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise LabelError.of(where, "it contains values that are not finite", "Save the labels as integers.")
    low, high = float(stored.min()), float(stored.max())
    numbers = np.rint(stored) if stored.dtype.kind == "f" else stored
    if numbers is not stored and not np.array_equal(numbers, stored):
        remedy = "Save the labels as integers, and resample them only with nearest neighbours."
        raise LabelError.of(where, "it contains values that are not integers", remedy)
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
    remedy = f"Define other numbers in cohort.yaml. {OTHER_STRUCTURES}"
    return LabelError.of(where, what, remedy)
