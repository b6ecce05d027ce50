"""Which subjects of a cohort a job may use for what."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import DEFAULT_TEST_FRACTION, draw_split


def split_for(cohort: Cohort, *candidates: Split | None) -> Split:
    """Return the first split that knows the cohort, or draw one: a quarter of the labelled subjects test.

    Raises
    ------
    CohortError
        Where the first candidate, which somebody asked for, names none of the subjects.
    """
    ids = {subject.id for subject in cohort.subjects}
    for candidate in candidates:
        if candidate is not None and ids & set(candidate.roles):
            return candidate
    if candidates and candidates[0] is not None:
        remedy = "Give a split of this cohort, or none."
        raise CohortError.of(cohort.root, "the split names none of its subjects", remedy)
    return draw_split(cohort.subjects, test=DEFAULT_TEST_FRACTION)


def with_role(cohort: Cohort, split: Split, *roles: Role) -> tuple[Subject, ...]:
    """Return the cohort's subjects that have one of the roles."""
    return tuple(subject for subject in cohort.subjects if split.role(subject.id) in roles)


def require(subjects: Sequence[Subject], cohort: Cohort, what: str, remedy: str) -> None:
    """Refuse to go on without subjects."""
    if not subjects:
        raise CohortError(Problem(str(cohort.root), what, remedy))
