"""Read label files as labels layers on the grid of their images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from cmr_ssp.anatomy import Numbering
from cmr_ssp.errors import CmrSspError, LabelError
from cmr_ssp.files import open_cine, open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.files.formats.nifti import stem_of
from cmr_ssp.files.labels.reading import to_structures
from cmr_ssp.files.labels.writing import written_numbering
from cmr_ssp.subjects import ResolvedSubject
from numpy.typing import NDArray

from napari_cmr_ssp.scene.layers import UNKNOWN, LayerData, numbers_layer, segmentation_layer, source_metadata

_LABEL_ENDINGS = ("_gt", "_seg")


def is_label_file(path: Path) -> bool:
    """Return whether a file contains labels, by its name or because this program wrote it."""
    return stem_of(path).lower().endswith(_LABEL_ENDINGS) or written_numbering(path) is not None


def label_layer(path: Path) -> LayerData:
    """Read a label file as a layer.

    The numbering comes from the file, if this program wrote it, or from the layout of its cohort. Labels of
    one frame are placed at that frame of the cine. Numbers of unknown meaning are shown without names.

    Raises
    ------
    CmrSspError
        If the file cannot be read, does not fit its image, or contains invalid numbers.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - keeps links, as `open_cohort` does
    numbering = written_numbering(path)
    if numbering is not None:
        return _whole_file(path, numbering)
    subject = _find_in_cohort(path)
    if subject is not None:
        return phases_layer(subject, stem_of(path))
    return _whole_file(path, None)


def _whole_file(path: Path, numbering: Numbering | None) -> LayerData:
    """Read all frames of a label file without a cohort."""
    stack = open_cine(path)
    about = source_metadata(stack.grid, [path])
    pixels = stack.load()
    if numbering is None:
        about |= {"numbering": UNKNOWN}
        return numbers_layer(_whole_numbers(pixels, path), stack.grid, stem_of(path), **about)
    return segmentation_layer(to_structures(pixels, numbering, str(path)), stack.grid, stem_of(path), **about)


def _whole_numbers(pixels: NDArray[np.float32], path: Path) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore"):  # out of range: the comparison below fails
        numbers = pixels.astype(np.uint8)
    if not np.array_equal(numbers, pixels):
        what = "its name marks it as labels, but it contains values other than whole numbers from 0 to 255"
        raise LabelError.of(
            path, what, "Rename the file if it is an image; otherwise save it with whole numbers."
        )
    return numbers


def _find_in_cohort(path: Path) -> ResolvedSubject | None:
    """Find the subject of a label file in the cohort of its folder, with the labels of that file only."""
    try:
        cohort = open_cohort(path.parent)
    except CmrSspError:
        return None  # a single file without a cohort
    for subject in cohort.subjects:
        if any(label.source.path == path for label in subject.labels):
            resolved = resolve_subject(subject)
            labels = tuple(label for label in resolved.labels if label.source.path == path)
            return replace(resolved, labels=labels) if labels else None
    return None


def phases_layer(subject: ResolvedSubject, name: str) -> LayerData:
    """Create a labels layer with labels placed at their frames; all must belong to one image file.

    Raises
    ------
    CmrSspError
        If a file cannot be read, or labels do not fit their image.
    """
    stack = open_stack(subject)
    labels = subject.labels
    places = _frames_of_same_file(subject, labels[0].frame)
    volumes = np.zeros((len(places), *stack.grid.shape), np.uint8)
    drawn: dict[int, list[str]] = {}
    for label in labels:
        segmentation = read_segmentation(subject, label.phase)
        place = places.index(label.frame)
        volumes[place] = segmentation.labels
        drawn[place] = sorted(structure.name for structure in segmentation.drawn)
    image = subject.frames[labels[0].frame].path  # first: its header provides the geometry when saving
    about = source_metadata(stack.grid, dict.fromkeys([image, *(label.source.path for label in labels)]))
    return segmentation_layer(volumes, stack.grid, name, **about, drawn=drawn, subject=subject.id)


def _frames_of_same_file(subject: ResolvedSubject, frame: int) -> list[int]:
    """Return the frames of the subject that are in the same image file as `frame`."""
    image = subject.frames[frame].path
    return [t for t, source in enumerate(subject.frames) if source.path == image]
