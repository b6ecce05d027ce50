"""Label files as they come, each over the image that it was drawn on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cmr_ssp.anatomy import Numbering
from cmr_ssp.errors import CmrSspError, LabelError
from cmr_ssp.files import open_cine, open_cohort, open_stack, read_segmentation
from cmr_ssp.files.formats.nifti import stem_of
from cmr_ssp.files.labels.reading import to_structures
from cmr_ssp.files.labels.writing import written_numbering
from cmr_ssp.subjects import LabelSource, Subject
from numpy.typing import NDArray

from napari_cmr_ssp.scene.layers import UNKNOWN, LayerData, numbers_layer, segmentation_layer, source_metadata

_LABEL_ENDINGS = ("_gt", "_seg")


def is_label_file(path: Path) -> bool:
    """Tell labels from images: by their name, or because we wrote them. Pixel types do not tell."""
    return stem_of(path).lower().endswith(_LABEL_ENDINGS) or written_numbering(path) is not None


def label_layer(path: Path) -> LayerData:
    """Read a label file as a layer.

    The numbers mean what the file says (where we wrote it) or what its cohort's convention says. Labels of
    one frame of a cine get all its frames, so that they show at theirs and nowhere else. Where nothing says
    what the numbers mean, they are shown without names rather than with wrong ones.

    Raises
    ------
    CmrSspError
        If the file is unreadable, does not fit its image, or holds numbers that are no labels.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - as `open_cohort` does: links stay what they are
    numbering = written_numbering(path)
    if numbering is not None:
        return _whole_file(path, numbering)
    subject, labels = _find_in_cohort(path)
    if subject is not None:
        return phases_layer(subject, labels, stem_of(path))
    return _whole_file(path, None)


def _whole_file(path: Path, numbering: Numbering | None) -> LayerData:
    """Read all frames of a label file by itself."""
    stack = open_cine(path)
    about = source_metadata(stack.grid, [path])
    pixels = stack.load()
    if numbering is None:
        about |= {"numbering": UNKNOWN}
        return numbers_layer(_whole_numbers(pixels, path), stack.grid, stem_of(path), **about)
    return segmentation_layer(to_structures(pixels, numbering, str(path)), stack.grid, stem_of(path), **about)


def _whole_numbers(pixels: NDArray[np.float32], path: Path) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore"):  # negative or huge, so unequal to what it came from
        numbers = pixels.astype(np.uint8)
    if not np.array_equal(numbers, pixels):
        what = "its name says labels, but it holds other values than whole numbers from 0 to 255"
        raise LabelError.of(path, what, "Rename it where it is an image, else save it as whole numbers.")
    return numbers


def _find_in_cohort(path: Path) -> tuple[Subject | None, list[LabelSource]]:
    """Return whose labels a file holds, where its folder follows a convention that knows it."""
    try:
        cohort = open_cohort(path.parent)
    except CmrSspError:
        return None, []  # a lone file: nothing is wrong with that
    for subject in cohort.subjects:
        labels = [label for label in subject.labels if label.source.path == path]
        if labels:
            return subject, labels
    return None, []


def phases_layer(subject: Subject, labels: Sequence[LabelSource], name: str) -> LayerData:
    """Place labels at their frames of the image file that they belong to, which is one for all of them.

    Raises
    ------
    CmrSspError
        If a file is unreadable, or labels do not fit their image.
    """
    stack = open_stack(subject)
    places = _frames_of_same_file(subject, labels[0].frame)
    volumes = np.zeros((len(places), *stack.grid.shape), np.uint8)
    drawn: dict[int, list[str]] = {}
    for label in labels:
        segmentation = read_segmentation(subject, label.phase)
        place = places.index(label.frame)
        volumes[place] = segmentation.labels
        drawn[place] = sorted(structure.name for structure in segmentation.drawn)
    image = subject.frames[labels[0].frame].path  # first: its header is the geometry of what is saved
    about = source_metadata(stack.grid, dict.fromkeys([image, *(label.source.path for label in labels)]))
    return segmentation_layer(volumes, stack.grid, name, **about, drawn=drawn, subject=subject.id)


def _frames_of_same_file(subject: Subject, frame: int) -> list[int]:
    """Return the stack's frames that lie in the same image file as `frame`, which is one layer."""
    image = subject.frames[frame].path
    return [t for t, source in enumerate(subject.frames) if source.path == image]
