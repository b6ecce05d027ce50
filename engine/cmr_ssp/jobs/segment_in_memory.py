"""Segment a cine that lies in memory or was opened; nothing is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.devices import choose_device
from cmr_ssp.events import Cancel, Cancelled, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.jobs.notices import WHERE_SEGMENTING_DOES_NOT_FIT, tell
from cmr_ssp.jobs.segmenting import segment_whole
from cmr_ssp.prediction import load_segmenter
from cmr_ssp.runs import Run
from cmr_ssp.subjects import CineStack

_CINE = "cine"
"""What problems call it, since it has no name."""


def segment_in_memory(
    run: Run,
    stack: CineStack,
    *,
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> NDArray[np.uint8]:
    """Segment every frame of a stack.

    Parameters
    ----------
    run : Run
        A fine-tuning run or one from scratch; its last checkpoint is used.
    stack : CineStack
        The whole cine: intensities and the heart's place depend on all frames.
    device, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Returns
    -------
    ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.

    Raises
    ------
    CmrSspError
        Where the run or the pixels cannot be used.
    Cancelled
        Where somebody asked.
    """
    cancel = cancel or Cancel()
    labels: list[NDArray[np.uint8]] = []

    def work() -> Outcome:
        segmenter = load_segmenter(run.last, choose_device(device))
        tell(segmenter.problems, on_event)
        labels.append(segment_whole(segmenter, _CINE, stack, on_event, cancel).labels)
        return Outcome.FINISHED

    if guarded(work, on_event, out_of_memory=WHERE_SEGMENTING_DOES_NOT_FIT) is not Outcome.FINISHED:
        raise Cancelled
    return labels[0]
