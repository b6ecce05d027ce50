"""Warnings that several jobs share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from cmr_ssp.devices import free_memory
from cmr_ssp.errors import Problem
from cmr_ssp.events import Noticed, OnEvent
from cmr_ssp.subjects import LARGE_BYTES, CineStack

SEGMENTING_MEMORY_REMEDY = "Close other programs, use a machine with more memory, or --device cpu."


def report_problems(problems: Iterable[Problem], on_event: OnEvent) -> None:
    """Report problems as events."""
    for problem in problems:
        on_event(Noticed(problem))


def heart_warning(where: object) -> Problem:
    """Return a warning that the heart was not located by its motion."""
    what = "the heart could not be located by its motion"
    remedy = "Check the result, or use a recipe with crop.centre=image if the heart is in the middle."
    return Problem.warning(where, what, remedy)


def single_precision_warning(device: object) -> Problem:
    """Return a warning that training is slow on a processor without bfloat16 arithmetic."""
    what = (
        "this processor has no bfloat16 arithmetic: training in single precision takes about twice as long "
        "(measured: 1.7 to 2 times); the estimated time includes this"
    )
    remedy = "Allow more time, set a time limit, or train on a GPU or on a processor with bfloat16."
    return Problem.warning(device, what, remedy)


def large_cine_warning(where: object, stack: CineStack) -> Problem | None:
    """Return a warning if segmenting a cine may need more memory than is free."""
    free, needed = free_memory(torch.device("cpu")), bytes_to_segment(stack)
    if free is None or needed <= free:
        return None
    what = f"segmenting it may need {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free"
    return Problem.warning(where, what, SEGMENTING_MEMORY_REMEDY)


def bytes_to_segment(stack: CineStack) -> int:
    """Estimate the memory that segmenting a cine needs: its labels, and the pixels held at the same time."""
    labels = stack.n_bytes // np.dtype(np.float32).itemsize
    whole = stack.open_frames is None or stack.n_bytes <= LARGE_BYTES
    return labels + min(stack.n_bytes, LARGE_BYTES) + (stack.n_bytes if whole else 0)


def test_subjects_warning(ids: Sequence[str]) -> Problem:
    """Return a warning that test subjects which were trained on have no test score."""
    what = (
        f"{', '.join(ids)} of the test set are used for training: "
        "this run and all runs that start from it have no test score of them"
    )
    remedy = "Compare it with other runs on the remaining test subjects only."
    return Problem.warning("split", what, remedy)
