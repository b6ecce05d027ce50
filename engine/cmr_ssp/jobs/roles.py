"""Roles of the subjects of a cohort in a job."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import DEFAULT_TEST_FRACTION, draw_split


def split_for(cohort: Cohort, *candidates: Split | None) -> Split:
    """Return the first split that names a subject of the cohort, or draw one with a quarter for the test.

    Raises
    ------
    CohortError
        If the first candidate, which the user requested, names no subject of the cohort.
    """
    ids = {subject.id for subject in cohort.subjects}
    for candidate in candidates:
        if candidate is not None and ids & set(candidate.roles):
            return candidate
    if candidates and candidates[0] is not None:
        remedy = "Use a split of this cohort, or omit it."
        raise CohortError.of(cohort.root, "the split names none of its subjects", remedy)
    return draw_split(cohort.subjects, test=DEFAULT_TEST_FRACTION)


def with_role(cohort: Cohort, split: Split, *roles: Role) -> tuple[Subject, ...]:
    """Return the cohort's subjects that have one of the roles."""
    return tuple(subject for subject in cohort.subjects if split.role(subject.id) in roles)


def require_subjects(subjects: Sequence[Subject], cohort: Cohort, what: str, remedy: str) -> None:
    """Raise `CohortError` if there are no subjects."""
    if not subjects:
        raise CohortError(Problem(str(cohort.root), what, remedy))
