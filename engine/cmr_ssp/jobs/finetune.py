"""Train on the labels of a few subjects, from pretrained weights or from scratch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, RecipeError, RunError
from cmr_ssp.events import Cancel, Noticed, OnEvent, Outcome, WeightsTransferred, ignore_events
from cmr_ssp.finetuning import SegmentationObjective
from cmr_ssp.jobs.budget import LabelBudget, Labelled, run_split
from cmr_ssp.jobs.notices import tell, trained_on_test
from cmr_ssp.jobs.partners import training_job
from cmr_ssp.jobs.preparing import Workplace
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.jobs.unchanged import images_of, labels_of, require_unchanged, seen
from cmr_ssp.recipes import SegmentationRecipe, is_pretraining, method
from cmr_ssp.runs import Provenance, Run, lineage, note_checkpoint
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.weights import Checkpoint, load_checkpoint, transfer_weights


def finetune(
    cohort: Cohort,
    recipe: SegmentationRecipe | None,
    run: Run,
    *,
    pretrained: Run | None = None,
    budget: LabelBudget | None = None,
    split: Split | None = None,
    settings: JobSettings | None = None,
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
        tell(source.problems if source is not None else (), self.work.on_event)
        split = run_split(self.cohort, self.split, pretrained)
        if budget.seed is None:
            budget = replace(budget, seed=recipe.subset_seed)
        else:
            recipe = recipe.with_subset_seed(budget.seed)  # the run says what drew its subjects
        labelled = budget.choose(self.cohort, split)
        chosen = labelled.training
        given_up = tuple(name for name in chosen if split.role(name) is Role.TEST)
        if given_up:
            split = Split({**split.roles, **dict.fromkeys(given_up, Role.TRAIN)}, split.seed)
            self.work.on_event(Noticed(trained_on_test(given_up)))
        recipe, fabric = self.work.launched(self.work.resolved(recipe))
        objective, provenance = self._prepare(recipe, labelled, source)
        if source is not None and pretrained is not None:
            parts = _transferred(source)
            report = transfer_weights(source.network, objective.network, parts, str(pretrained.last))
            self.work.on_event(WeightsTransferred(report.loaded, report.left_out, report.missing))
            newest, *before = lineage(pretrained, source.provenance)
            provenance = replace(provenance, pretrained_from=newest, ancestors=tuple(before))
        provenance = replace(provenance, trained_on_test=given_up)
        recipe = self.work.guessed(recipe)
        self.work.describe(self.run, recipe, split)
        return self.work.train(objective, recipe, self.run, provenance, fabric, resume=False)

    def resume(self, asked: SegmentationRecipe | None) -> Outcome:
        checkpoint = load_checkpoint(self.run.last)
        tell(checkpoint.problems, self.work.on_event)
        stored, before = checkpoint.recipe, checkpoint.provenance
        if not isinstance(stored, SegmentationRecipe):
            raise RunError.of(self.run.folder, "is a pretraining run", "Continue it with `cmr-ssp pretrain`.")
        if asked is not None and asked.seeds.subset is None:
            asked = asked.with_subset_seed(stored.subset_seed)  # a budget had it
        recipe = self.run.same_recipe(stored, asked, fitted=self.work.settings.max_minutes is not None)
        chosen = {name: tuple(Phase(phase) for phase in before.phases[name]) for name in before.training}
        labelled = Labelled(chosen, tuple(before.validation))
        recipe, fabric = self.work.launched(recipe)
        objective, now = self._prepare(recipe, labelled, None)
        now = replace(now, pretraining=before.pretraining)  # of another run, and not read again
        require_unchanged(self.run, before, now, self.work.on_event)
        if self.work.processes.first:
            note_checkpoint(self.run)  # labels may have been corrected from this state
        return self.work.train(objective, recipe, self.run, before, fabric, resume=True)

    def _prepare(
        self,
        recipe: SegmentationRecipe,
        labelled: Labelled,
        source: Checkpoint | None,
    ) -> tuple[SegmentationObjective, Provenance]:
        chosen, validation = labelled.training, labelled.validation
        training = list(chosen)
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
            images=images_of(bank, [*training, *validation]),
            labels=labels_of(bank, {**dict.fromkeys(validation, tuple(Phase)), **chosen}),
        )
        return objective, provenance


def _transferred(source: Checkpoint) -> tuple[str, ...]:
    """Return the parts of a network that its method hands on; one that segments keeps only its outputs."""
    name = source.recipe.method
    return method(name).hands_on if is_pretraining(name) else ("encoder", "decoder")
