"""Segment an array or an opened stack, without writing files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.events import Cancel, Cancelled, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import SEGMENTING_MEMORY_REMEDY
from cmr_ssp.jobs.segmenting import load_chosen, segment_all_frames
from cmr_ssp.runs import CheckpointName, Run
from cmr_ssp.subjects import CineStack

_CINE = "cine"
"""Name of the cine in problems."""


def segment_in_memory(
    run: Run,
    stack: CineStack,
    *,
    checkpoint: CheckpointName = "last",
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> NDArray[np.uint8]:
    """Segment every frame of a stack.

    Parameters
    ----------
    run : Run
        A fine-tuning run or one from scratch.
    stack : CineStack
        The whole cine: standardisation and heart centre depend on all frames.
    checkpoint : str
        As for `cmr_ssp.jobs.segment`.
    device, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Returns
    -------
    ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.

    Raises
    ------
    CmrSspError
        If the run or the pixels cannot be used.
    Cancelled
        If the job was cancelled.
    """
    cancel = cancel or Cancel()
    labels: list[NDArray[np.uint8]] = []

    def work() -> Outcome:
        segmenter, _ = load_chosen(run, checkpoint, device, on_event)
        labels.append(segment_all_frames(segmenter, _CINE, stack, on_event, cancel).labels)
        return Outcome.FINISHED

    if run_job(work, on_event, out_of_memory=SEGMENTING_MEMORY_REMEDY) is not Outcome.FINISHED:
        raise Cancelled
    return labels[0]
