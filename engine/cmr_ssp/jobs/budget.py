"""The label budget: which labels training may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.jobs.roles import require_subjects, split_for, with_role
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import draw_subjects

LabelledPhases = Mapping[str, tuple[Phase, ...]]
"""Phases whose labels training may use, by subject id."""

MIN_SUBJECTS_TO_VALIDATE = 10
"""Smaller label budgets are used for training only."""

_VALIDATION_SHARE = 5  # one in five subjects of a label budget is for validation


@dataclass(frozen=True, slots=True)
class ChosenLabels:
    """Labels that a label budget selects.

    Attributes
    ----------
    training : Mapping of str to tuple of Phase
        Phases to train on, by subject id.
    validation : tuple of str
        Subjects that select the best checkpoint; their labels are part of the budget.
    """

    training: LabelledPhases
    validation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelBudget:
    """Labels that training may use.

    Attributes
    ----------
    subjects : int, sequence of str, Mapping of str to sequence of Phase, or None
        Number of labelled subjects, including those for validation; or the ids of the training subjects,
        optionally with phases. None uses all labelled subjects.
    seed : int or None
        Seed of the draw; None uses the recipe's `subset_seed`, or 0 without a recipe.
    phases : sequence of Phase
        Labelled phases to use; ignored if `subjects` gives phases.
    allow_test : bool
        Train on test subjects that `subjects` names. They become training subjects of the run and of all
        runs that start from it.
    vendors : sequence of str, optional
        Use only subjects of these scanner vendors; case-insensitive.
    validates : bool
        Whether some of the labels may select the best checkpoint.

    Notes
    -----
    With ten subjects or more, validation subjects of the split select the best checkpoint: all of them, or at
    most a fifth if `subjects` is a number. With fewer than ten, all subjects are used for training. If
    `validates` is False, `subjects` is the number of training subjects, as in the paper.
    """

    subjects: int | Sequence[str] | Mapping[str, Sequence[Phase]] | None = None
    seed: int | None = None
    phases: Sequence[Phase] = tuple(Phase)
    allow_test: bool = False
    vendors: Sequence[str] | None = None
    validates: bool = True

    def choose(self, cohort: Cohort, split: Split) -> ChosenLabels:
        """Choose the labels for training and the validation subjects.

        Raises
        ------
        CohortError
            If subjects are missing, not labelled, or not for training; the error names all of them.
        """
        validators = self._candidates(cohort, split, Role.VALIDATION) if self.validates else ()
        if self.subjects is None or isinstance(self.subjects, int):
            return self._draw(cohort, split, validators, self.subjects)
        named = self.subjects
        phases = named if isinstance(named, Mapping) else dict.fromkeys(named, self.phases)
        training = self._check_named(cohort, split, phases)
        if len(training) < MIN_SUBJECTS_TO_VALIDATE:
            return ChosenLabels(training)
        return ChosenLabels(training, tuple(s.id for s in validators if s.id not in training))

    def _candidates(self, cohort: Cohort, split: Split, role: Role) -> tuple[Subject, ...]:
        """Return the labelled subjects of a role with the requested phases and vendors."""
        wanted = None if self.vendors is None else {vendor.casefold() for vendor in self.vendors}
        return tuple(
            subject
            for subject in with_role(cohort, split, role)
            if set(subject.phases) & set(self.phases)
            and (wanted is None or (subject.vendor or "").casefold() in wanted)
        )

    def _draw(
        self, cohort: Cohort, split: Split, validators: Sequence[Subject], wanted: int | None
    ) -> ChosenLabels:
        pool = self._candidates(cohort, split, Role.TRAIN)
        of_vendors = "" if self.vendors is None else f" and from {' or '.join(self.vendors)}"
        what = f"no training subject is labelled at {'+'.join(self.phases)}{of_vendors}"
        require_subjects(pool, cohort, what, "Label some, or change the split, the phases or the vendors.")
        n_subjects = len(pool) + len(validators) if wanted is None else wanted
        n_validating = len(validators) if n_subjects >= MIN_SUBJECTS_TO_VALIDATE else 0
        if wanted is not None:
            n_validating = min(n_validating, n_subjects // _VALIDATION_SHARE)
            if not 0 < n_subjects - n_validating <= len(pool):
                what = f"{wanted} labelled subjects were requested, but only {len(pool)} may train"
                raise CohortError.of(
                    cohort.root, what, f"Choose a number from 1 to {len(pool) + n_validating}."
                )
        n_training = min(n_subjects - n_validating, len(pool))
        chosen = draw_subjects((s.id for s in pool), n_training, self.seed or 0)
        validating = draw_subjects((s.id for s in validators), n_validating, self.seed or 0)
        phases = {name: tuple(self.phases) for name in sorted(chosen)}
        return ChosenLabels(phases, tuple(sorted(validating)))

    def _check_named(
        self, cohort: Cohort, split: Split, wanted: Mapping[str, Sequence[Phase]]
    ) -> LabelledPhases:
        subjects = cohort.select(wanted).subjects
        require_subjects(
            subjects, cohort, "no subject is named", "Name at least one, or give a number of subjects."
        )
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
    """Return the test subjects that a budget names; `finetune` refuses them unless `allow_test` is set.

    Raises
    ------
    CohortError
        If the split names no subject of the cohort.
    """
    named = budget.subjects
    known = run_split(cohort, split, pretrained)
    return tuple(
        sorted(set(known.ids(Role.TEST)) & set(() if named is None or isinstance(named, int) else named))
    )


def run_split(cohort: Cohort, split: Split | None, pretrained: Run | None) -> Split:
    """Return the requested split, else that of the pretraining run, else a new one."""
    inherited = pretrained.split() if pretrained is not None else None
    return split_for(cohort, split) if split else split_for(cohort, None, inherited)
