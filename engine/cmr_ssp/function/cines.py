"""Function of label files: one for a whole cine, or one each for ED and ES."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Numbering, Phase
from cmr_ssp.errors import LabelError
from cmr_ssp.files import import_volumes, open_cine
from cmr_ssp.files.labels.importing import read_label_volumes
from cmr_ssp.files.labels.marks import (
    KeepReason,
    cine_digest,
    labels_digest,
    read_mark,
    reason_to_keep,
)
from cmr_ssp.function.choices import FunctionChoices, Scan
from cmr_ssp.function.flag_text import flag_lines
from cmr_ssp.function.flags import Judged
from cmr_ssp.function.quality import find_flags
from cmr_ssp.function.slices import SliceMeasures
from cmr_ssp.function.summary import CardiacFunction, cardiac_function
from cmr_ssp.function.tidying import Change, tidy
from cmr_ssp.function.wall_summary import WallSummary, wall_summary
from cmr_ssp.subjects import same_affine

_DIGITS = 8


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredCine:
    """Function of a cine, with what it was measured on.

    Attributes
    ----------
    function : CardiacFunction
        The results.
    choices : FunctionChoices
        How they were measured.
    scan : Scan
        Geometry and time.
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    measures : SliceMeasures
        Of these labels.
    pixels : ndarray of float32, same shape, or None
        The cine, if it was given.
    origin : str
        Who or what made the contours, in a sentence.
    checkpoint : str
        SHA-256 of the checkpoint that made them, if nobody edited them since; otherwise empty.
    changes : tuple of Change
        What post-processing changed.
    """

    function: CardiacFunction
    choices: FunctionChoices
    scan: Scan
    labels: NDArray[np.uint8]
    measures: SliceMeasures
    pixels: NDArray[np.float32] | None = None
    origin: str = ""
    checkpoint: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def phases(self) -> Mapping[Phase, int]:
        """Frames of ED and ES of the LV, or if there is none, of the RV."""
        ventricle = self.function.lv or self.function.rv
        return ventricle.phases if ventricle is not None else {}

    def flags(self) -> tuple[str, ...]:
        """Return what looks doubtful about the cine, ED and ES, a line each."""
        judged = Judged.of(self.measures.facts, None, self.scan.slice_order, self.phases)
        return flag_lines(find_flags(judged), self.phases)

    def walls(self) -> WallSummary:
        """Measure thickness and thickening of the wall."""
        scan = self.scan
        return wall_summary(self.labels, scan.spacing_mm, self.phases, scan.orientation)

    @property
    def name(self) -> str:
        """A name that tells nothing about the person: the first digits of a SHA-256."""
        if self.pixels is not None:
            return f"cine {cine_digest(self.pixels)[:_DIGITS]}"
        return f"contours {labels_digest(self.labels)[:_DIGITS]}"


def measure_function(
    segmentations: Sequence[Path],
    image: Path | None = None,
    choices: FunctionChoices | None = None,
    numbering: Numbering | None = None,
) -> MeasuredCine:
    """Measure the function of a heart from label files.

    Parameters
    ----------
    segmentations : sequence of Path
        NIfTI, on one grid, whose frames are joined in this order: one file of a whole cine, or two volumes.
    image : Path, optional
        The cine of a single label file: papillary muscles and the heart rate are read from it.
    choices : FunctionChoices, optional
        How to measure.
    numbering : Numbering, optional
        Meaning of the numbers, if the files do not define it.

    Raises
    ------
    CmrSspError
        If a file cannot be read, or does not fit the others.
    """
    choices = choices or FunctionChoices()
    if image is not None:
        labels, pixels, scan = _with_image(segmentations, image, numbering)
    else:
        labels, scan = _without_image(segmentations, numbering)
        pixels = None
    _require_frames(segmentations[0], len(labels), choices)
    tidied = tidy(labels, scan.spacing_mm, choices.tidying)
    labels = tidied.labels
    measures = SliceMeasures.of(labels, scan.spacing_mm, pixels, choices.papillary_threshold)
    function = cardiac_function(measures, scan, choices)
    sentences, checkpoints = zip(*map(_origin_of, segmentations), strict=True)
    origin = " ".join(dict.fromkeys(sentences))
    checkpoint = checkpoints[0] if len(checkpoints) == 1 else ""
    return MeasuredCine(function, choices, scan, labels, measures, pixels, origin, checkpoint, tidied.changes)


def _origin_of(path: Path) -> tuple[str, str]:
    """Return who or what made a label file, in a sentence, and the checkpoint if nobody edited it since."""
    mark = read_mark(path)
    checkpoint = mark.checkpoint if mark is not None else ""
    made = f" by the network with checkpoint {checkpoint[:12]}" if checkpoint else ""
    sentences = {
        None: f"The contours were made{made} and not edited.",
        KeepReason.EDITED: f"The contours were made{made or ' by this program'} and edited afterwards.",
        KeepReason.DRAWN: "The contours were drawn or corrected by a person.",
    }
    reason = reason_to_keep(path, open_cine(path).grid, "", predicts=True)
    unknown = "The label file does not tell who or what made the contours."
    return sentences.get(reason, unknown), checkpoint if reason is None else ""


def _with_image(
    segmentations: Sequence[Path], image: Path, numbering: Numbering | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], Scan]:
    if len(segmentations) != 1:
        what = f"it is the image of {len(segmentations)} label files"
        raise LabelError.of(image, what, "Give one label file with all frames, or omit the image.")
    stack = open_cine(image)
    return import_volumes(segmentations[0], stack, numbering), stack.pixels, Scan.of(stack)


def _without_image(
    segmentations: Sequence[Path], numbering: Numbering | None
) -> tuple[NDArray[np.uint8], Scan]:
    volumes = [read_label_volumes(path, numbering) for path in segmentations]
    first = volumes[0].grid
    for path, found in zip(segmentations, volumes, strict=True):
        if found.grid.shape != first.shape or not same_affine(found.grid.affine, first.affine):
            what = f"its grid differs from that of {segmentations[0].name}"
            raise LabelError.of(path, what, "Give label files of one examination.")
    scan = Scan.of(open_cine(segmentations[0]))
    if len(volumes) > 1:  # these are phases, not neighbouring frames
        scan = replace(scan, frame_spacing_s=None)
    return np.concatenate([found.labels for found in volumes]), scan


def _require_frames(path: Path, n_frames: int, choices: FunctionChoices) -> None:
    for phase, frame in choices.phases.items():
        if not 0 <= frame < n_frames:
            what = f"{phase} was said to be frame {frame} (counted from 0), but it has {n_frames}"
            raise LabelError.of(path, what, "Choose one of its frames.")
