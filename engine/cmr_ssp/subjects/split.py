"""Splits: the role of each subject, drawn once, stored, and inherited by later runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cmr_ssp.errors import CohortError
from cmr_ssp.subjects.subject import Subject

DEFAULT_TEST_FRACTION = 0.25
"""Default fraction of the labelled subjects for the test."""


_OLD_SEEDS = 2**32
"""Number of seeds of numpy's legacy generator, which the paper's authors used."""


class Role(StrEnum):
    """Use of a subject."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Split:
    """A role for each subject of a cohort.

    Attributes
    ----------
    roles : Mapping of str to Role
        Role by subject id.
    seed : int or None
        Seed of the draw; None if the split was not drawn.

    Examples
    --------
    >>> from cmr_ssp.subjects.split import Role, draw_split
    >>> split = draw_split(cohort, test=0.25, seed=0)
    >>> len(split.ids(Role.TEST)), len(split.ids(Role.TRAIN))
    (2, 6)
    """

    roles: Mapping[str, Role]
    seed: int | None = None

    def ids(self, *roles: Role) -> tuple[str, ...]:
        """Return the sorted ids of the subjects with one of `roles`."""
        return tuple(sorted(name for name, role in self.roles.items() if role in roles))

    def role(self, subject_id: str) -> Role | None:
        """Return the role of a subject, None if it is not in the split."""
        return self.roles.get(subject_id)


def draw_split(subjects: Iterable[Subject], *, test: float, validation: float = 0.0, seed: int = 0) -> Split:
    """Draw test and validation subjects, stratified by diagnostic group or else by vendor.

    Only labelled subjects are drawn, since others cannot be scored. All other subjects are for training.

    Parameters
    ----------
    subjects : iterable of Subject
        The cohort.
    test, validation : float
        Fractions of the labelled subjects, 0 to 1.
    seed : int
        Random seed.
    """
    if seed < 0:
        raise CohortError.of(f"seed {seed}", "it is not a valid seed", "Choose a number from 0.")
    if not (0 <= test <= 1 and 0 <= validation <= 1):
        what = f"{test} for the test and {validation} for validation are not fractions"
        raise CohortError.of("split", what, "Give numbers from 0 to 1.")
    subjects = sorted(subjects, key=lambda subject: subject.id)
    roles = {subject.id: Role.TRAIN for subject in subjects}
    rng = np.random.default_rng(seed)
    labelled = [subject for subject in subjects if subject.labels]
    queue = _interleaved_strata(labelled, rng)
    n_test, n_validation = (round(fraction * len(queue)) for fraction in (test, validation))
    roles |= dict.fromkeys(queue[:n_test], Role.TEST)
    roles |= dict.fromkeys(queue[n_test : n_test + n_validation], Role.VALIDATION)
    return Split(roles, seed)


def _interleaved_strata(subjects: list[Subject], rng: np.random.Generator) -> list[str]:
    """Shuffle within strata, then interleave them so that every prefix is spread evenly over the strata."""
    strata: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        strata[subject.group or subject.vendor or ""].append(subject.id)
    placed: list[tuple[float, str]] = []
    for name in sorted(strata):
        members = rng.permutation(strata[name])
        placed += [((rank + 0.5) / len(members), str(member)) for rank, member in enumerate(members)]
    return [member for _, member in sorted(placed)]


def draw_subjects(ids: Iterable[str], n: int, seed: int) -> tuple[str, ...]:
    """Draw `n` of `ids`: sorted, shuffled with `seed`, first `n`; larger budgets contain smaller ones.

    Ids of digits only come last, so that subjects of M&Ms and M&Ms-2 are drawn like by the paper's authors,
    who sorted ``mm1-A0S9V9`` and ``mm2-101``.
    """
    names = np.array(sorted(ids, key=lambda name: (name.isdecimal(), name)))
    np.random.RandomState(seed % _OLD_SEEDS).shuffle(names)
    return tuple(str(name) for name in names[:n])
