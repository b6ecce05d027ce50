"""Pretrain and fine-tune."""

from __future__ import annotations

from collections.abc import Iterable

from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase
from cmr_ssp.api.arguments import BOTH_PHASES, PathLike, Subjects, as_phases, as_run, as_subjects
from cmr_ssp.api.recipes import load_recipe
from cmr_ssp.errors import RecipeError
from cmr_ssp.events import Cancel, OnEvent, ignore_events
from cmr_ssp.recipes import PretrainRecipe, Recipe, SegmentationRecipe
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Split


def pretrain(
    cohort: Cohort,
    recipe: PretrainRecipe | Recipe | PathLike,
    run: PathLike | Run,
    *,
    split: Split | None = None,
    device: str = "auto",
    max_minutes: float | None = None,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Run:
    """Pretrain on all frames and slices of a cohort's training subjects; no label is used.

    Parameters
    ----------
    cohort : Cohort
        From `open_cohort`.
    recipe : Recipe, str or path
        Settings, a preset's name or a YAML file.
    run : str, path or Run
        A new folder.
    split : Split, optional
        Roles of the subjects; without, a quarter of the labelled subjects becomes the test set.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    max_minutes : float, optional
        Fit the training to this time.
    on_event : callable, optional
        Called with what happens; ``print`` shows it.
    cancel : Cancel, optional
        Another thread may ask it to stop and keep what there is.

    Returns
    -------
    Run
        The folder, for `finetune`.

    Raises
    ------
    CmrSspError
        With everything that is wrong with cohort, recipe or run.

    Examples
    --------
    >>> run = cmr_ssp.pretrain(cohort, "mim/cpu-small", "runs/mim")
    >>> run.last.name
    'last.safetensors'
    """
    wanted = _as_recipe(recipe)
    if not isinstance(wanted, PretrainRecipe):
        raise RecipeError.of(
            "recipe", f"its method is '{wanted.method}', which needs labels", "Call finetune."
        )
    made = as_run(run)
    jobs.pretrain(
        cohort,
        wanted,
        made,
        split=split,
        settings=jobs.JobSettings(device, max_minutes),
        on_event=on_event,
        cancel=cancel,
    )
    return made


def finetune(
    cohort: Cohort,
    recipe: SegmentationRecipe | Recipe | PathLike,
    run: PathLike | Run,
    *,
    pretrained: PathLike | Run | None = None,
    subjects: Subjects | None = None,
    seed: int | None = None,
    phases: Iterable[Phase | str] = BOTH_PHASES,
    split: Split | None = None,
    device: str = "auto",
    max_minutes: float | None = None,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Run:
    """Train a network that segments, on the labels of a few subjects.

    Parameters
    ----------
    cohort : Cohort
        From `open_cohort`.
    recipe : Recipe, str or path
        Settings, a preset's name or a YAML file.
    run : str, path or Run
        A new folder.
    pretrained : str, path or Run, optional
        The pretraining to start from; from scratch without.
    subjects : int, iterable of str, or mapping, optional
        How many labelled subjects, or which, or which phases of which; all training subjects unless given.
    seed : int, optional
        Of the draw of subjects; the recipe's unless given, as for weights and order.
    phases : iterable of str
        The labelled phases to use.
    split : Split, optional
        Inherited from the pretraining, or drawn, where there is none.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    max_minutes : float, optional
        Fit the training to this time.
    on_event : callable, optional
        Called with what happens; ``print`` shows it.
    cancel : Cancel, optional
        Another thread may ask it to stop and keep what there is.

    Returns
    -------
    Run
        The folder, for `segment` and `evaluate`.

    Raises
    ------
    CmrSspError
        With everything that is wrong with cohort, labels, recipe or run.

    Examples
    --------
    Five labelled subjects, and the network that the pretraining left:

    >>> tuned = cmr_ssp.finetune(
    ...     cohort, "finetune/cpu-small", "runs/tuned", pretrained="runs/mim", subjects=5
    ... )

    Named subjects and phases, from scratch:

    >>> labels = {"a": ["ED"], "b": ["ED", "ES"]}
    >>> scratch = cmr_ssp.finetune(cohort, "scratch/cpu-small", "runs/scratch", subjects=labels)
    """
    wanted = _as_recipe(recipe)
    if not isinstance(wanted, SegmentationRecipe):
        raise RecipeError.of(
            "recipe", f"its method is '{wanted.method}', which uses no label", "Call pretrain."
        )
    made = as_run(run)
    jobs.finetune(
        cohort,
        wanted,
        made,
        pretrained=None if pretrained is None else as_run(pretrained),
        budget=jobs.LabelBudget(as_subjects(subjects), seed, as_phases(phases)),
        split=split,
        settings=jobs.JobSettings(device, max_minutes),
        on_event=on_event,
        cancel=cancel,
    )
    return made


def _as_recipe(source: Recipe | PathLike) -> Recipe:
    return source if isinstance(source, Recipe) else load_recipe(source)
