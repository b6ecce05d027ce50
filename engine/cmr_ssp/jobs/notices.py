"""Warnings that several jobs give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cmr_ssp.errors import Problem, Severity
from cmr_ssp.events import Noticed, OnEvent


def tell(problems: Iterable[Problem], on_event: OnEvent) -> None:
    """Say everything that is odd."""
    for problem in problems:
        on_event(Noticed(problem))


def unsure_of_heart(where: object) -> Problem:
    """Say that motion did not tell where the heart is."""
    what = "motion did not show where the heart is"
    remedy = "Check the result, or use a recipe with crop.centre=image if the heart is in the middle."
    return Problem(str(where), what, remedy, Severity.WARNING)


def trained_on_test(ids: Sequence[str]) -> Problem:
    """Say what training on test subjects costs."""
    what = (
        f"trains on {', '.join(ids)}, of the test set: this run, and all from it, has no test score of them"
    )
    remedy = "Compare it with other runs on the remaining test subjects only."
    return Problem("split", what, remedy, Severity.WARNING)
