"""Train on the labels of a few subjects, from pretrained weights or from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, Problem, RecipeError, RunError
from cmr_ssp.events import Cancel, Noticed, OnEvent, Outcome, WeightsTransferred, ignore_events
from cmr_ssp.finetune import SegmentationObjective
from cmr_ssp.jobs.notices import trained_on_test
from cmr_ssp.jobs.preparing import (
    Settings,
    Workplace,
    require,
    require_unchanged,
    resolved,
    seen,
    split_for,
    training_job,
    with_role,
)
from cmr_ssp.pretrain import METHODS
from cmr_ssp.recipes import SegmentationRecipe
from cmr_ssp.runs import (
    Checkpoint,
    Provenance,
    Run,
    leave_behind,
    lineage,
    load_checkpoint,
    transfer_weights,
)
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import draw_subjects

LabelledPhases = Mapping[str, tuple[Phase, ...]]
"""The phases that training may see the labels of, by subject id."""

_VALIDATION_FROM = 10  # smaller label budgets cannot spare subjects for validation


@dataclass(frozen=True, slots=True)
class LabelBudget:
    """Which labels training may see.

    Attributes
    ----------
    subjects : int, sequence of str, Mapping of str to sequence of Phase, or None
        How many of the split's training subjects, or which, or which phases of which; None is all that are
        labelled.
    seed : int
        Of the draw.
    phases : sequence of Phase
        The labelled phases to use; of no matter where `subjects` says which phases of which.
    allow_test : bool
        Train on test subjects that are named: somebody was asked, and said yes. From then on they are
        training subjects of the run and of all that come from it.
    """

    subjects: int | Sequence[str] | Mapping[str, Sequence[Phase]] | None = None
    seed: int = 0
    phases: Sequence[Phase] = tuple(Phase)
    allow_test: bool = False

    def choose(self, cohort: Cohort, split: Split) -> LabelledPhases:
        """Return the labelled phases of the budget by subject id.

        Raises
        ------
        CohortError
            Naming every subject that is missing, not labelled, or not for training.
        """
        if isinstance(self.subjects, Mapping):
            return self._named(cohort, split, self.subjects)
        if isinstance(self.subjects, Sequence):
            return self._named(cohort, split, dict.fromkeys(self.subjects, self.phases))
        pool = [s for s in with_role(cohort, split, Role.TRAIN) if set(s.phases) & set(self.phases)]
        remedy = "Label some, or change the split or the phases."
        require(pool, cohort, f"no training subject is labelled at {'+'.join(self.phases)}", remedy)
        if self.subjects is not None and not 0 < self.subjects <= len(pool):
            what = f"{self.subjects} labelled subjects were asked for, {len(pool)} may train"
            raise CohortError.of(cohort.root, what, f"Ask for 1 to {len(pool)}.")
        chosen = draw_subjects((s.id for s in pool), self.subjects or len(pool), self.seed)
        return {name: tuple(self.phases) for name in sorted(chosen)}

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
    known = _split_of(cohort, split, pretrained)
    return tuple(
        sorted(set(known.ids(Role.TEST)) & set(() if named is None or isinstance(named, int) else named))
    )


def _split_of(cohort: Cohort, split: Split | None, pretrained: Run | None) -> Split:
    """Return the split that was asked for, or the pretraining's, or draw one."""
    inherited = pretrained.split() if pretrained is not None else None
    return split_for(cohort, split) if split else split_for(cohort, None, inherited)


def finetune(
    cohort: Cohort,
    recipe: SegmentationRecipe | None,
    run: Run,
    *,
    pretrained: Run | None = None,
    budget: LabelBudget | None = None,
    split: Split | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Outcome:
    """Train a network that segments.

    Parameters
    ----------
    cohort : Cohort
        Where the labelled subjects are.
    recipe : SegmentationRecipe or None
        All settings; None, with `resume`, takes the run's own.
    run : Run
        A new directory, or with `resume` the one to continue.
    pretrained : Run, optional
        Whose last checkpoint gives encoder and decoder; from scratch without.
    budget : LabelBudget, optional
        All labelled training subjects unless given.
    split : Split, optional
        Inherited from the pretraining, or drawn, where there is none.
    settings, resume, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    CmrSspError
        With everything that is wrong with cohort, labels, recipe or run.
    """

    def prepare_and_train(work: Workplace) -> Outcome:
        job = _Finetuning(cohort, run, split, work)
        return job.resume(recipe) if resume else job.start(recipe, pretrained, budget or LabelBudget())

    return training_job(prepare_and_train, run, settings, on_event, cancel, resume=resume)


@dataclass(frozen=True, slots=True, eq=False)
class _Finetuning:
    cohort: Cohort
    run: Run
    split: Split | None
    work: Workplace

    def start(
        self, recipe: SegmentationRecipe | None, pretrained: Run | None, budget: LabelBudget
    ) -> Outcome:
        if recipe is None:
            raise RecipeError.of(self.run.folder, "has no recipe", "Give a preset or a recipe.")
        source = load_checkpoint(pretrained.last) if pretrained is not None else None
        split = _split_of(self.cohort, self.split, pretrained)
        chosen = budget.choose(self.cohort, split)
        given_up = tuple(name for name in chosen if split.role(name) is Role.TEST)
        if given_up:
            split = Split({**split.roles, **dict.fromkeys(given_up, Role.TRAIN)}, split.seed)
            self.work.on_event(Noticed(trained_on_test(given_up)))
        validating = self._validation(split, len(chosen))
        recipe, fabric = self.work.launched(resolved(recipe, self.work.device, self.work.team))
        objective, provenance = self._prepare(recipe, chosen, validating, source)
        if source is not None and pretrained is not None:
            parts = _transferred(source)
            report = transfer_weights(source.network, objective.network, parts, str(pretrained.last))
            self.work.on_event(WeightsTransferred(report.loaded, report.left_out, report.missing))
            newest, *before = lineage(pretrained, source.provenance)
            provenance = replace(provenance, pretrained_from=newest, ancestors=tuple(before))
        provenance = replace(provenance, trained_on_test=given_up)
        recipe = self.work.fitted(recipe, objective, fabric)
        self.work.describe(self.run, recipe, split)
        return self.work.train(objective, recipe, self.run, provenance, fabric, resume=False)

    def resume(self, asked: SegmentationRecipe | None) -> Outcome:
        checkpoint = load_checkpoint(self.run.last)
        stored, before = checkpoint.recipe, checkpoint.provenance
        if not isinstance(stored, SegmentationRecipe):
            raise RunError.of(self.run.folder, "is a pretraining run", "Continue it with `cmr-ssp pretrain`.")
        recipe = self.run.same_recipe(stored, asked, fitted=self.work.settings.max_minutes is not None)
        chosen = {name: tuple(Phase(phase) for phase in before.phases[name]) for name in before.training}
        validating = self.cohort.select(before.validation).subjects
        recipe, fabric = self.work.launched(recipe)
        objective, now = self._prepare(recipe, chosen, validating, None)
        require_unchanged(self.run, before.training, now.training)
        require_unchanged(self.run, before.validation, now.validation)
        if self.work.processes.first:
            leave_behind(self.run)  # labels may have been corrected from this state
        return self.work.train(objective, recipe, self.run, before, fabric, resume=True)

    def _validation(self, split: Split, n_chosen: int) -> tuple[Subject, ...]:
        if n_chosen < _VALIDATION_FROM:
            return ()
        return tuple(s for s in with_role(self.cohort, split, Role.VALIDATION) if s.labels)

    def _prepare(
        self,
        recipe: SegmentationRecipe,
        chosen: LabelledPhases,
        validating: Sequence[Subject],
        source: Checkpoint | None,
    ) -> tuple[SegmentationObjective, Provenance]:
        training, validation = list(chosen), [s.id for s in validating if s.id not in chosen]
        bank = self.work.bank(self.cohort.select([*training, *validation]).subjects)
        self.work.seed(recipe)
        samples = np.concatenate([bank.samples([name], phases) for name, phases in chosen.items()])
        if not len(samples):
            what = f"the labels of {', '.join(training)} hold nothing at the phases that were asked for"
            raise CohortError.of(self.cohort.root, what, "Choose subjects that somebody labelled.")
        objective = SegmentationObjective(bank, samples, validation, recipe, self.work.device)
        provenance = Provenance(
            # What a network was trained on before, labels included, lives on in its weights.
            pretraining={**source.provenance.pretraining, **source.provenance.training} if source else {},
            training=seen(bank, training),
            validation=seen(bank, validation),
            phases={name: [str(phase) for phase in phases] for name, phases in chosen.items()},
            machine=self.work.machine(recipe.precision),
        )
        return objective, provenance


def _transferred(source: Checkpoint) -> tuple[str, ...]:
    """Return the parts of a network that its method hands on; one that segments keeps only its outputs."""
    method = METHODS.get(source.recipe.method)
    return ("encoder", "decoder") if method is None else method.transferred
