"""Pretrain a network on every slice of a cohort's training subjects."""

from __future__ import annotations

from cmr_ssp.errors import RecipeError, RunError
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.context import TrainingContext
from cmr_ssp.jobs.notices import report_problems
from cmr_ssp.jobs.roles import require_subjects, split_for, with_role
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.jobs.training_job import training_job
from cmr_ssp.jobs.unchanged import fingerprints_of, image_digests, require_unchanged
from cmr_ssp.methods.objective import make_objective
from cmr_ssp.recipes import PretrainRecipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.weights import Checkpoint, load_checkpoint


def pretrain(
    cohort: Cohort,
    recipe: PretrainRecipe | None,
    run: Run,
    *,
    split: Split | None = None,
    settings: JobSettings | None = None,
    resume: bool = False,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Outcome:
    """Pretrain on all frames and slices of the training subjects, without labels.

    Parameters
    ----------
    cohort : Cohort
        The pixels of test subjects are never read.
    recipe : PretrainRecipe or None
        All settings; with `resume`, None uses the recipe of the run.
    run : Run
        A new folder, or with `resume` the run to continue.
    split : Split, optional
        By default a new one, with a quarter of the labelled subjects as test set.
    settings : JobSettings, optional
        Device, time limit and folder of the slice bank.
    resume : bool
        Continue the run from its last checkpoint.
    on_event : callable
        Called with each event of the job.
    cancel : Cancel, optional
        Request to stop the job.

    Raises
    ------
    CmrSspError
        If cohort, recipe or run cannot be used; the error has every problem.
    """

    def prepare_and_train(context: TrainingContext) -> Outcome:
        return _pretrain(cohort, recipe, run, split, context, resume=resume)

    return training_job(prepare_and_train, run, settings, on_event, cancel, resume=resume)


def _pretrain(
    cohort: Cohort,
    asked: PretrainRecipe | None,
    run: Run,
    asked_split: Split | None,
    context: TrainingContext,
    *,
    resume: bool,
) -> Outcome:
    before = load_checkpoint(run.last) if resume else None
    if before is not None:
        report_problems(before.problems, context.on_event)
    recipe = _recipe(asked, run, context, before)
    split = run.split() if resume else split_for(cohort, asked_split)
    subjects = with_role(cohort, split, Role.TRAIN, Role.VALIDATION)
    require_subjects(
        subjects, cohort, "the split has no training subject", "Give some subjects the role train."
    )
    recipe, fabric = context.launch(recipe)
    bank = context.bank(subjects)
    training, validating = (
        [subject.id for subject in with_role(cohort, split, role)] for role in (Role.TRAIN, Role.VALIDATION)
    )
    context.seed(recipe)
    objective = make_objective(bank, bank.samples(training), bank.samples(validating), recipe, context.device)
    if before is None:
        recipe = context.fit_to_time_limit(recipe)
        context.write_description(run, recipe, split)
    provenance = Provenance(
        pretraining=fingerprints_of(bank, training),
        validation=fingerprints_of(bank, validating),
        machine=context.machine(recipe.precision),
        images=image_digests(bank, [*training, *validating]),
        data_licences=context.data_licences(before.provenance if before is not None else None),
    )
    if before is not None:
        require_unchanged(run, before.provenance, provenance, context.on_event)
    return context.train(objective, recipe, run, provenance, fabric, resume=resume)


def _recipe(
    asked: PretrainRecipe | None, run: Run, context: TrainingContext, before: Checkpoint | None
) -> PretrainRecipe:
    if before is not None:
        if isinstance(before.recipe, PretrainRecipe):
            return run.same_recipe(before.recipe, asked, fitted=context.settings.max_minutes is not None)
        raise RunError.of(run.folder, "is not a pretraining run", "Continue it with `cmr-ssp finetune`.")
    if asked is None:
        raise RecipeError.of(run.folder, "has no recipe", "Choose a preset or a recipe.")
    return context.resolve(asked)
