"""One cine after the other: what all jobs that segment do, whatever they are given and leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError, LabelError, Problem
from cmr_ssp.events import Cancel, Noticed, OnEvent, Preparing, Progress, ignore_progress
from cmr_ssp.files.labels.marks import cine_digest
from cmr_ssp.jobs.notices import large_cine, tell, unsure_of_heart
from cmr_ssp.prediction import Segmenter, segment_stack
from cmr_ssp.samples.bank.building import fingerprint
from cmr_ssp.subjects import CineStack

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedCine:
    """What a network found in a cine, without the pixels.

    Attributes
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    frames : sequence of int
        Which frames of the cine those are.
    heart_sure : bool
        False where motion did not tell where the heart is.
    digest : str
        `cine_digest` of the pixels, which names the cine in files and tables.
    fingerprint : str
        Of the pixels, as provenance has it.
    """

    labels: NDArray[np.uint8]
    frames: Sequence[int]
    heart_sure: bool
    digest: str
    fingerprint: str

    def of(self, frame: int) -> NDArray[np.uint8]:
        """Return the labels of a frame of the cine, shape (slice, row, column)."""
        labels: NDArray[np.uint8] = self.labels[self.frames.index(frame)]
        return labels


def one_by_one(
    items: Sequence[_T], work: Callable[[_T], None], what: str, on_event: OnEvent, cancel: Cancel
) -> None:
    """Work on each item, and tell how many are done; one that cannot be read does not stop the others.

    Parameters
    ----------
    items : sequence
        Subjects, or whatever else a cine stands for.
    work : callable
        Works on one of them.
    what : str
        What is counted, such as ``subjects scored``.
    on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    ImageError
        At the end, with everything that could not be read.
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


def segment_whole(
    segmenter: Segmenter, name: object, stack: CineStack, on_event: OnEvent, cancel: Cancel
) -> SegmentedCine:
    """Segment every frame of a cine; `name` stands for it in what is told.

    Raises
    ------
    ImageError
        Where its pixels cannot be read.
    """
    tell(filter(None, (*stack.problems, large_cine(name, stack))), on_event)
    found = segment_frames(segmenter, stack, on_progress=_counting_frames(stack, on_event, cancel))
    if not found.heart_sure:
        on_event(Noticed(unsure_of_heart(name)))
    return found


def segment_frames(
    segmenter: Segmenter,
    stack: CineStack,
    frames: Sequence[int] | None = None,
    on_progress: Progress = ignore_progress,
) -> SegmentedCine:
    """Segment some frames of a cine, all unless given; its pixels are let go of before this returns.

    Raises
    ------
    ImageError
        Where its pixels cannot be read.
    """
    network, recipe, in_plane = segmenter.network, segmenter.recipe, stack.grid.spacing_mm[1:]
    with stack.frames() as pixels:
        found = segment_stack(network, pixels, in_plane, recipe, frames, on_progress)
        digest, printed = cine_digest(pixels), fingerprint(pixels)
    places = range(stack.n_frames) if frames is None else frames
    return SegmentedCine(found.labels, places, found.heart_sure, digest, printed)


def _counting_frames(stack: CineStack, on_event: OnEvent, cancel: Cancel) -> Progress:
    """Return what tells how many frames of a cine are segmented, and stops between two batches."""

    def count(done: int, total: int) -> None:
        cancel.check()
        on_event(Preparing("frames segmented", done * stack.n_frames // total, stack.n_frames))

    return count
