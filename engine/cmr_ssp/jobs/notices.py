"""Warnings that several jobs give."""

from __future__ import annotations

from cmr_ssp.errors import Problem, Severity


def unsure_of_heart(where: object) -> Problem:
    """Say that motion did not tell where the heart is."""
    what = "motion did not show where the heart is"
    remedy = "Check the result, or use a recipe with crop.centre=image if the heart is in the middle."
    return Problem(str(where), what, remedy, Severity.WARNING)
