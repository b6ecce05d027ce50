"""Train on the labels of a few subjects, from pretrained weights or from scratch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, RecipeError, RunError
from cmr_ssp.events import Cancel, Noticed, OnEvent, Outcome, WeightsTransferred, ignore_events
from cmr_ssp.finetuning import SegmentationObjective
from cmr_ssp.jobs.budget import ChosenLabels, LabelBudget, run_split
from cmr_ssp.jobs.context import TrainingContext
from cmr_ssp.jobs.notices import report_problems, test_subjects_warning
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.jobs.training_job import training_job
from cmr_ssp.jobs.unchanged import fingerprints_of, image_digests, label_digests, require_unchanged
from cmr_ssp.jobs.unlabelled import Unlabelled, require_pseudo_labels
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
    unlabelled: Unlabelled | None = None,
    settings: JobSettings | None = None,
    resume: bool = False,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Outcome:
    """Train a network that segments.

    Parameters
    ----------
    cohort : Cohort
        Cohort with the labelled subjects.
    recipe : SegmentationRecipe or None
        All settings; with `resume`, None uses the recipe of the run.
    run : Run
        A new folder, or with `resume` the run to continue.
    pretrained : Run, optional
        Run whose last checkpoint initialises the network; by default training starts from scratch.
    budget : LabelBudget, optional
        By default all labelled training subjects.
    split : Split, optional
        By default that of the pretraining run, or a new one.
    unlabelled : Unlabelled, optional
        Subjects that train by pseudo-labels besides; a run that has them needs them again to be resumed.
    settings, resume, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    CmrSspError
        If cohort, labels, recipe or run cannot be used; the error has every problem.
    """

    def prepare_and_train(context: TrainingContext) -> Outcome:
        job = _Finetuning(cohort, run, split, unlabelled, context)
        return job.resume(recipe) if resume else job.start(recipe, pretrained, budget or LabelBudget())

    return training_job(prepare_and_train, run, settings, on_event, cancel, resume=resume)


@dataclass(frozen=True, slots=True, eq=False)
class _Finetuning:
    cohort: Cohort
    run: Run
    split: Split | None
    unlabelled: Unlabelled | None
    context: TrainingContext

    def start(
        self, recipe: SegmentationRecipe | None, pretrained: Run | None, budget: LabelBudget
    ) -> Outcome:
        if recipe is None:
            raise RecipeError.of(self.run.folder, "has no recipe", "Choose a preset or a recipe.")
        source = load_checkpoint(pretrained.last) if pretrained is not None else None
        report_problems(source.problems if source is not None else (), self.context.on_event)
        split = run_split(self.cohort, self.split, pretrained)
        if budget.seed is None:
            budget = replace(budget, seed=recipe.subset_seed)
        else:
            recipe = recipe.with_subset_seed(budget.seed)  # stored with the run
        labelled = budget.choose(self.cohort, split)
        chosen = labelled.training
        test_subjects = tuple(name for name in chosen if split.role(name) is Role.TEST)
        if test_subjects:
            split = Split({**split.roles, **dict.fromkeys(test_subjects, Role.TRAIN)}, split.seed)
            self.context.on_event(Noticed(test_subjects_warning(test_subjects)))
        recipe, fabric = self.context.launch(self.context.resolve(recipe))
        objective, provenance = self._prepare(recipe, labelled, split, source)
        if source is not None and pretrained is not None:
            parts = _transferred_parts(source)
            report = transfer_weights(source.network, objective.network, parts, str(pretrained.last))
            self.context.on_event(WeightsTransferred(report.loaded, report.left_out, report.missing))
            newest, *before = lineage(pretrained, source.provenance)
            provenance = replace(
                provenance, pretrained_from=newest, ancestors=(*before, *provenance.ancestors)
            )
        provenance = replace(provenance, trained_on_test=test_subjects)
        recipe = self.context.fit_to_time_limit(recipe)
        self.context.write_description(self.run, recipe, split)
        return self.context.train(objective, recipe, self.run, provenance, fabric, resume=False)

    def resume(self, asked: SegmentationRecipe | None) -> Outcome:
        checkpoint = load_checkpoint(self.run.last)
        report_problems(checkpoint.problems, self.context.on_event)
        stored, before = checkpoint.recipe, checkpoint.provenance
        if not isinstance(stored, SegmentationRecipe):
            raise RunError.of(self.run.folder, "is a pretraining run", "Continue it with `cmr-ssp pretrain`.")
        if not checkpoint.optimiser:
            what = "came as a bundle, which cannot be resumed"
            raise RunError.of(self.run.folder, what, "Start another training from it, with --from.")
        if asked is not None and asked.seeds.subset is None:
            asked = asked.with_subset_seed(stored.subset_seed)  # it was set by the label budget
        recipe = self.run.same_recipe(stored, asked, fitted=self.context.settings.max_minutes is not None)
        chosen = {name: tuple(Phase(phase) for phase in before.phases[name]) for name in before.training}
        labelled = ChosenLabels(chosen, tuple(before.validation))
        recipe, fabric = self.context.launch(recipe)
        require_pseudo_labels(self.run, before, self.unlabelled)
        objective, now = self._prepare(recipe, labelled, self.run.split(), None)
        now = replace(now, pretraining=before.pretraining)  # from another run, whose data is not read
        require_unchanged(self.run, before, now, self.context.on_event)
        if self.context.processes.first:
            note_checkpoint(self.run)  # labels may descend from this checkpoint
        return self.context.train(objective, recipe, self.run, before, fabric, resume=True)

    def _prepare(
        self,
        recipe: SegmentationRecipe,
        labelled: ChosenLabels,
        split: Split,
        source: Checkpoint | None,
    ) -> tuple[SegmentationObjective, Provenance]:
        chosen, validation = labelled.training, labelled.validation
        training = list(chosen)
        others = self.unlabelled.chosen(split, {*training, *validation}) if self.unlabelled else ()
        bank = self.context.bank((*self.cohort.select([*training, *validation]).subjects, *others))
        pseudo_samples = np.empty(0, np.int64)
        if self.unlabelled is not None:
            bank, pseudo_samples = self.unlabelled.put_into(bank)
        self.context.seed(recipe)
        samples = np.concatenate([bank.samples([name], phases) for name, phases in chosen.items()])
        if not len(samples):
            what = f"the labels of {', '.join(training)} are empty at the requested phases"
            raise CohortError.of(self.cohort.root, what, "Choose labelled subjects.")
        device = self.context.device
        objective = SegmentationObjective(bank, samples, validation, recipe, device, pseudo_samples)
        provenance = Provenance(
            # Everything that the pretrained weights were trained on, with or without labels.
            pretraining={**source.provenance.pretraining, **source.provenance.training} if source else {},
            training=fingerprints_of(bank, training),
            validation=fingerprints_of(bank, validation),
            phases={name: [str(phase) for phase in phases] for name, phases in chosen.items()},
            machine=self.context.machine(recipe.precision),
            images=image_digests(bank, [*training, *validation, *(subject.id for subject in others)]),
            labels=label_digests(bank, {**dict.fromkeys(validation, tuple(Phase)), **chosen}),
            data_licences=self.context.data_licences(source.provenance if source else None),
        )
        if self.unlabelled is not None:
            provenance = self.unlabelled.noted(provenance, bank)
        return objective, provenance


def _transferred_parts(source: Checkpoint) -> tuple[str, ...]:
    """Return the parts of the network to transfer; of a segmentation network, all but the output layers."""
    name = source.recipe.method
    return method(name).hands_on if is_pretraining(name) else ("encoder", "decoder")
