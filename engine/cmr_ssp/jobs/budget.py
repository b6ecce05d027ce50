"""Which labels a training may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.jobs.roles import require, split_for, with_role
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import draw_subjects

LabelledPhases = Mapping[str, tuple[Phase, ...]]
"""The phases that training may see the labels of, by subject id."""

VALIDATION_FROM = 10
"""Smaller label budgets cannot spare subjects for validation."""

_ONE_IN = 5  # one in so many of a budget validates


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a budget comes to.

    Attributes
    ----------
    training : Mapping of str to tuple of Phase
        The phases to train on, by subject id.
    validation : tuple of str
        The subjects that choose the best checkpoint; their labels are part of the budget.
    """

    training: LabelledPhases
    validation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelBudget:
    """Which labels training may see.

    Attributes
    ----------
    subjects : int, sequence of str, Mapping of str to sequence of Phase, or None
        How many labelled subjects in all, those that validate included; or which training subjects, or which
        phases of which; None is all that are labelled.
    seed : int or None
        Of the draw; None takes the recipe's `subset_seed`, or 0 where there is no recipe.
    phases : sequence of Phase
        The labelled phases to use; of no matter where `subjects` says which phases of which.
    allow_test : bool
        Train on test subjects that are named: somebody was asked, and said yes. From then on they are
        training subjects of the run and of all that come from it.
    vendors : sequence of str, optional
        Only subjects of these scanner vendors, whatever the case of the letters.
    validates : bool
        Whether some of the labels may choose the best checkpoint.

    Notes
    -----
    With ten subjects or more, the split's validation subjects choose the best checkpoint: all of them, or
    where a number is asked for, as many as leave four fifths of it for training. Below ten none does. With
    `validates` off nobody does, and a number is that of training subjects alone, as in the paper.
    """

    subjects: int | Sequence[str] | Mapping[str, Sequence[Phase]] | None = None
    seed: int | None = None
    phases: Sequence[Phase] = tuple(Phase)
    allow_test: bool = False
    vendors: Sequence[str] | None = None
    validates: bool = True

    def choose(self, cohort: Cohort, split: Split) -> Labelled:
        """Return the labelled phases of the budget by subject id, and who validates.

        Raises
        ------
        CohortError
            Naming every subject that is missing, not labelled, or not for training.
        """
        validators = self._drawable(cohort, split, Role.VALIDATION) if self.validates else ()
        if self.subjects is None or isinstance(self.subjects, int):
            return self._drawn(cohort, split, validators)
        named = self.subjects
        phases = named if isinstance(named, Mapping) else dict.fromkeys(named, self.phases)
        training = self._named(cohort, split, phases)
        if len(training) < VALIDATION_FROM:
            return Labelled(training)
        return Labelled(training, tuple(s.id for s in validators if s.id not in training))

    def _drawable(self, cohort: Cohort, split: Split, role: Role) -> tuple[Subject, ...]:
        """Return the labelled subjects of a role that phases and vendors leave."""
        wanted = None if self.vendors is None else {vendor.casefold() for vendor in self.vendors}
        return tuple(
            subject
            for subject in with_role(cohort, split, role)
            if set(subject.phases) & set(self.phases)
            and (wanted is None or (subject.vendor or "").casefold() in wanted)
        )

    def _drawn(self, cohort: Cohort, split: Split, validators: Sequence[Subject]) -> Labelled:
        pool = self._drawable(cohort, split, Role.TRAIN)
        of_vendors = "" if self.vendors is None else f" and from {' or '.join(self.vendors)}"
        what = f"no training subject is labelled at {'+'.join(self.phases)}{of_vendors}"
        require(pool, cohort, what, "Label some, or change the split, the phases or the vendors.")
        asked = len(pool) + len(validators) if self.subjects is None else self.subjects
        assert isinstance(asked, int)
        n_validating = len(validators) if asked >= VALIDATION_FROM else 0
        if self.subjects is not None:
            n_validating = min(n_validating, asked // _ONE_IN)
            if not 0 < asked - n_validating <= len(pool):
                what = f"{asked} labelled subjects were asked for, {len(pool)} may train"
                raise CohortError.of(cohort.root, what, f"Ask for 1 to {len(pool) + n_validating}.")
        n_training = min(asked - n_validating, len(pool))
        chosen = draw_subjects((s.id for s in pool), n_training, self.seed or 0)
        validating = draw_subjects((s.id for s in validators), n_validating, self.seed or 0)
        phases = {name: tuple(self.phases) for name in sorted(chosen)}
        return Labelled(phases, tuple(sorted(validating)))

    def _named(self, cohort: Cohort, split: Split, wanted: Mapping[str, Sequence[Phase]]) -> LabelledPhases:
        subjects = cohort.select(wanted).subjects
        require(subjects, cohort, "no subject is named", "Name at least one, or give their number.")
        problems = [
            Problem(subject.id, what, "Choose another subject.")
            for subject in subjects
            for wrong, what in (
                (
                    not set(subject.phases) & set(wanted[subject.id]),
                    f"is not labelled at {'+'.join(wanted[subject.id]) or 'any phase'}",
                ),
                (
                    split.role(subject.id) is Role.TEST and not self.allow_test,
                    "is a test subject, which must not be trained on",
                ),
            )
            if wrong
        ]
        if problems:
            raise CohortError(*problems)
        return {subject.id: tuple(wanted[subject.id]) for subject in subjects}


def test_subjects(
    budget: LabelBudget, cohort: Cohort, split: Split | None, pretrained: Run | None
) -> tuple[str, ...]:
    """Return the test subjects that a budget names, which `finetune` trains on only where it allows that.

    Raises
    ------
    CohortError
        Where the split does not know the cohort.
    """
    named = budget.subjects
    known = run_split(cohort, split, pretrained)
    return tuple(
        sorted(set(known.ids(Role.TEST)) & set(() if named is None or isinstance(named, int) else named))
    )


def run_split(cohort: Cohort, split: Split | None, pretrained: Run | None) -> Split:
    """Return the split that was asked for, or the pretraining's, or draw one."""
    inherited = pretrained.split() if pretrained is not None else None
    return split_for(cohort, split) if split else split_for(cohort, None, inherited)
