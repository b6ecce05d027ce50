"""Segment a cine that lies in memory or was opened; nothing is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.devices import choose_device
from cmr_ssp.events import Cancel, Cancelled, Noticed, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.jobs.notices import WHERE_SEGMENTING_DOES_NOT_FIT, large_cine, tell, unsure_of_heart
from cmr_ssp.jobs.segmenting import counting_frames
from cmr_ssp.prediction import load_segmenter, segment_stack
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
        tell(filter(None, (*segmenter.problems, *stack.problems, large_cine(_CINE, stack))), on_event)
        with stack.frames() as pixels:
            found = segment_stack(
                segmenter.network,
                pixels,
                stack.spacing_mm[1:],
                segmenter.recipe,
                on_progress=counting_frames(stack, on_event, cancel),
            )
        if not found.heart_sure:
            on_event(Noticed(unsure_of_heart(_CINE)))
        labels.append(found.labels)
        return Outcome.FINISHED

    if guarded(work, on_event, out_of_memory=WHERE_SEGMENTING_DOES_NOT_FIT) is not Outcome.FINISHED:
        raise Cancelled
    return labels[0]
