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
    """Pretrain on all frames and slices of the training subjects of a cohort, without labels.

    Parameters
    ----------
    cohort : Cohort
        From `open_cohort`.
    recipe : Recipe, str or path
        Recipe, name of a preset, or path of a YAML file.
    run : str, path or Run
        A new folder.
    split : Split, optional
        Roles of the subjects; by default a quarter of the labelled subjects are test subjects.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    max_minutes : float, optional
        Choose the number of updates so that training takes this time.
    on_event : callable, optional
        Called with events; ``print`` shows them.
    cancel : Cancel, optional
        Lets another thread stop the training; the run can be resumed.

    Returns
    -------
    Run
        The folder, for `finetune`.

    Raises
    ------
    CmrSspError
        If cohort, recipe or run cannot be used; the error has all problems.

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
    """Train a segmentation network on the labels of a few subjects.

    Parameters
    ----------
    cohort : Cohort
        From `open_cohort`.
    recipe : Recipe, str or path
        Recipe, name of a preset, or path of a YAML file.
    run : str, path or Run
        A new folder.
    pretrained : str, path or Run, optional
        Pretraining to start from; by default from scratch.
    subjects : int, iterable of str, or mapping, optional
        Number of labelled subjects, their ids, or their phases by id; by default all training subjects.
    seed : int, optional
        Seed of the draw of subjects; by default that of the recipe, which also applies to weights and order.
    phases : iterable of str
        Labelled phases to use.
    split : Split, optional
        By default inherited from the pretraining, or drawn if there is none.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    max_minutes : float, optional
        Choose the number of updates so that training takes this time.
    on_event : callable, optional
        Called with events; ``print`` shows them.
    cancel : Cancel, optional
        Lets another thread stop the training; the run can be resumed.

    Returns
    -------
    Run
        The folder, for `segment` and `evaluate`.

    Raises
    ------
    CmrSspError
        If cohort, labels, recipe or run cannot be used; the error has all problems.

    Examples
    --------
    Five labelled subjects, and a pretrained network:

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
