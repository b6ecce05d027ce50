"""Warnings that several jobs give."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_ssp.errors import Problem, Severity


def unsure_of_heart(where: object) -> Problem:
    """Say that motion did not tell where the heart is."""
    what = "motion did not show where the heart is"
    remedy = "Check the result, or use a recipe with crop.centre=image if the heart is in the middle."
    return Problem(str(where), what, remedy, Severity.WARNING)


def single_precision(device: object) -> Problem:
    """Say what it costs that a processor does not compute in bfloat16."""
    what = (
        "this processor has no bfloat16 arithmetic: training in single precision takes about twice as long "
        "(1.7 to 2 times as measured), which the estimated time includes"
    )
    remedy = "Allow for it, set a time limit, or train on a GPU or on a processor with bfloat16."
    return Problem(str(device), what, remedy, Severity.WARNING)


def trained_on_test(ids: Sequence[str]) -> Problem:
    """Say what training on test subjects costs."""
    what = (
        f"trains on {', '.join(ids)}, of the test set: this run, and all from it, has no test score of them"
    )
    remedy = "Compare it with other runs on the remaining test subjects only."
    return Problem("split", what, remedy, Severity.WARNING)
