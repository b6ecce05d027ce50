"""Warnings that several jobs give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from cmr_ssp.devices import free_memory
from cmr_ssp.errors import Problem
from cmr_ssp.events import Noticed, OnEvent
from cmr_ssp.subjects import LARGE_BYTES, CineStack

WHERE_SEGMENTING_DOES_NOT_FIT = "Close other programs, use a machine with more memory, or --device cpu."


def tell(problems: Iterable[Problem], on_event: OnEvent) -> None:
    """Say everything that is odd."""
    for problem in problems:
        on_event(Noticed(problem))


def unsure_of_heart(where: object) -> Problem:
    """Say that motion did not tell where the heart is."""
    what = "motion did not show where the heart is"
    remedy = "Check the result, or use a recipe with crop.centre=image if the heart is in the middle."
    return Problem.warning(where, what, remedy)


def single_precision(device: object) -> Problem:
    """Say what it costs that a processor does not compute in bfloat16."""
    what = (
        "this processor has no bfloat16 arithmetic: training in single precision takes about twice as long "
        "(1.7 to 2 times as measured), which the estimated time includes"
    )
    remedy = "Allow for it, set a time limit, or train on a GPU or on a processor with bfloat16."
    return Problem.warning(device, what, remedy)


def large_cine(where: object, stack: CineStack) -> Problem | None:
    """Return a warning where segmenting a cine seems to need more memory than is free."""
    free, needed = free_memory(torch.device("cpu")), bytes_to_segment(stack)
    if free is None or needed <= free:
        return None
    what = f"segmenting it may need {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free"
    return Problem.warning(where, what, WHERE_SEGMENTING_DOES_NOT_FIT)


def bytes_to_segment(stack: CineStack) -> int:
    """Return about what segmenting a cine takes: its labels, and the pixels that are held at once."""
    labels = stack.n_bytes // np.dtype(np.float32).itemsize
    whole = stack.open_frames is None or stack.n_bytes <= LARGE_BYTES
    return labels + min(stack.n_bytes, LARGE_BYTES) + (stack.n_bytes if whole else 0)


def trained_on_test(ids: Sequence[str]) -> Problem:
    """Say what training on test subjects costs."""
    what = (
        f"trains on {', '.join(ids)}, of the test set: this run, and all from it, has no test score of them"
    )
    remedy = "Compare it with other runs on the remaining test subjects only."
    return Problem.warning("split", what, remedy)
