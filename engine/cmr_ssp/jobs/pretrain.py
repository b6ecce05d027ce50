"""Pretrain a network on every slice of a cohort's training subjects."""

from __future__ import annotations

from cmr_ssp.errors import RecipeError, RunError
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.notices import tell
from cmr_ssp.jobs.partners import training_job
from cmr_ssp.jobs.preparing import Workplace
from cmr_ssp.jobs.roles import require, split_for, with_role
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.jobs.unchanged import images_of, require_unchanged, seen
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
    """Pretrain on all frames and slices of the training subjects; no label is looked at.

    Parameters
    ----------
    cohort : Cohort
        Test subjects' pixels are never read.
    recipe : PretrainRecipe or None
        All settings; None, with `resume`, takes the run's own.
    run : Run
        A new directory, or with `resume` the one to continue.
    split : Split, optional
        Drawn where there is none: a quarter of the labelled subjects becomes the test set.
    settings : JobSettings, optional
        Device, time limit and place of the slice bank.
    resume : bool
        Continue the run from its last checkpoint.
    on_event, cancel
        The job's voice and ear.

    Raises
    ------
    CmrSspError
        With everything that is wrong with cohort, recipe or run.
    """

    def prepare_and_train(work: Workplace) -> Outcome:
        return _pretrain(cohort, recipe, run, split, work, resume=resume)

    return training_job(prepare_and_train, run, settings, on_event, cancel, resume=resume)


def _pretrain(
    cohort: Cohort,
    asked: PretrainRecipe | None,
    run: Run,
    asked_split: Split | None,
    work: Workplace,
    *,
    resume: bool,
) -> Outcome:
    before = load_checkpoint(run.last) if resume else None
    if before is not None:
        tell(before.problems, work.on_event)
    recipe = _recipe(asked, run, work, before)
    split = run.split() if resume else split_for(cohort, asked_split)
    subjects = with_role(cohort, split, Role.TRAIN, Role.VALIDATION)
    require(subjects, cohort, "no subject may be trained on", "Give some the role train in the split.")
    recipe, fabric = work.launched(recipe)
    bank = work.bank(subjects)
    training, validating = (
        [subject.id for subject in with_role(cohort, split, role)] for role in (Role.TRAIN, Role.VALIDATION)
    )
    work.seed(recipe)
    objective = make_objective(bank, bank.samples(training), bank.samples(validating), recipe, work.device)
    if before is None:
        recipe = work.guessed(recipe)
        work.describe(run, recipe, split)
    provenance = Provenance(
        pretraining=seen(bank, training),
        validation=seen(bank, validating),
        machine=work.machine(recipe.precision),
        images=images_of(bank, [*training, *validating]),
    )
    if before is not None:
        require_unchanged(run, before.provenance, provenance, work.on_event)
    return work.train(objective, recipe, run, provenance, fabric, resume=resume)


def _recipe(
    asked: PretrainRecipe | None, run: Run, work: Workplace, before: Checkpoint | None
) -> PretrainRecipe:
    if before is not None:
        if isinstance(before.recipe, PretrainRecipe):
            return run.same_recipe(before.recipe, asked, fitted=work.settings.max_minutes is not None)
        raise RunError.of(run.folder, "is no pretraining run", "Continue it with `cmr-ssp finetune`.")
    if asked is None:
        raise RecipeError.of(run.folder, "has no recipe", "Give a preset or a recipe.")
    return work.resolved(asked)
