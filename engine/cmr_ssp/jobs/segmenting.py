"""Segment cines one after another; shared by all jobs that segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.devices import choose_device
from cmr_ssp.errors import ImageError, LabelError, Problem
from cmr_ssp.events import Cancel, FramesSegmented, Noticed, OnEvent, Preparing, Progress, ignore_progress
from cmr_ssp.files.labels.marks import cine_digest
from cmr_ssp.jobs.notices import heart_warning, large_cine_warning, report_problems
from cmr_ssp.prediction import Onlooker, Segmenter, load_segmenter, segment_stack
from cmr_ssp.runs import CheckpointName, Run, choose_checkpoint, file_digest
from cmr_ssp.samples.bank.building import fingerprint
from cmr_ssp.subjects import LARGE_BYTES, CineStack

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedCine:
    """Segmentation of a cine, without the pixels.

    Attributes
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    frames : sequence of int
        Indices of the segmented frames.
    heart_sure : bool
        False if the heart could not be located by its motion.
    digest : str
        `cine_digest` of the pixels, which identifies the cine in files and tables.
    fingerprint : str
        Fingerprint of the pixels, as in `Provenance`.
    certainty : ndarray of float32, shape (frame, slice, structure, 2)
        How sure the network was, as in `SegmentedStack`; quality flags estimate the Dice from it.
    """

    labels: NDArray[np.uint8]
    frames: Sequence[int]
    heart_sure: bool
    digest: str
    fingerprint: str
    certainty: NDArray[np.float32]

    def of(self, frame: int) -> NDArray[np.uint8]:
        """Return the labels of one frame, shape (slice, row, column)."""
        labels: NDArray[np.uint8] = self.labels[self.frames.index(frame)]
        return labels


def load_chosen(
    run: Run, checkpoint: CheckpointName, device: str, on_event: OnEvent
) -> tuple[Segmenter, str]:
    """Load the network of a checkpoint of a run, report its warnings, and return it with its SHA-256.

    Raises
    ------
    CmrSspError
        If there is no such checkpoint, or it is not one of a segmentation network.
    """
    chosen = choose_checkpoint(run, checkpoint)
    segmenter = load_segmenter(chosen.path, choose_device(device))
    report_problems((*chosen.problems, *segmenter.problems), on_event)
    return segmenter, file_digest(chosen.path)


def for_each(
    items: Sequence[_T], work: Callable[[_T], None], what: str, on_event: OnEvent, cancel: Cancel
) -> None:
    """Call `work` with each item and report progress; continue if an item cannot be read.

    Parameters
    ----------
    items : sequence
        Subjects, cines or similar.
    work : callable
        Called with one item.
    what : str
        What is counted in the progress, such as ``subjects scored``.
    on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    ImageError
        At the end, if items could not be read; the error has every problem.
    """
    problems: list[Problem] = []
    for done, item in enumerate(items, start=1):
        cancel.check()
        try:
            work(item)
        except (ImageError, LabelError) as error:
            problems += error.problems
        on_event(Preparing(what, done, len(items)))
    if problems:
        raise ImageError(*problems)


def segment_all_frames(
    segmenter: Segmenter,
    name: object,
    stack: CineStack,
    on_event: OnEvent,
    cancel: Cancel,
    near: tuple[int, int] | None = None,
) -> SegmentedCine:
    """Segment every frame of a cine and report progress; `name` identifies it in warnings.

    With `near`, the frame and slice at which somebody looks, what is nearest comes first, as
    `FramesSegmented`. Large cines, which are read frame by frame, keep the order of their file.

    Raises
    ------
    ImageError
        If its pixels cannot be read.
    """
    report_problems(filter(None, (*stack.problems, large_cine_warning(name, stack))), on_event)
    onlooker = None
    if near is not None and stack.n_bytes <= LARGE_BYTES:
        onlooker = Onlooker(near, lambda frames, labels: on_event(FramesSegmented(tuple(frames), labels)))
    found = segment_frames(
        segmenter, stack, on_progress=_frame_progress(stack, on_event, cancel), onlooker=onlooker
    )
    if not found.heart_sure:
        on_event(Noticed(heart_warning(name)))
    return found


def segment_frames(
    segmenter: Segmenter,
    stack: CineStack,
    frames: Sequence[int] | None = None,
    on_progress: Progress = ignore_progress,
    onlooker: Onlooker | None = None,
) -> SegmentedCine:
    """Segment frames of a cine, by default all; the pixels are released on return.

    Raises
    ------
    ImageError
        If its pixels cannot be read.
    """
    network, recipe, in_plane = segmenter.network, segmenter.recipe, stack.grid.spacing_mm[1:]
    with stack.frames() as pixels:
        found = segment_stack(network, pixels, in_plane, recipe, frames, on_progress, onlooker)
        digest, printed = cine_digest(pixels), fingerprint(pixels)
    places = range(stack.n_frames) if frames is None else frames
    return SegmentedCine(found.labels, places, found.heart_sure, digest, printed, found.certainty)


def _frame_progress(stack: CineStack, on_event: OnEvent, cancel: Cancel) -> Progress:
    """Return a progress callback that counts frames, and raises `Cancelled` between batches."""

    def count(done: int, total: int) -> None:
        cancel.check()
        on_event(Preparing("frames segmented", done * stack.n_frames // total, stack.n_frames))

    return count
