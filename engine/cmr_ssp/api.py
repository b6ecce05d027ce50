"""The stages as a script or a notebook calls them: with paths, names of presets and plain numbers.

`cmr_ssp` offers these functions. Each calls the function of `cmr_ssp.jobs` of the same name, which has more
settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.anatomy import Phase, phase_named
from cmr_ssp.errors import RecipeError
from cmr_ssp.events import Cancel, OnEvent, ignore_events
from cmr_ssp.recipes import PRETRAINING, PretrainRecipe, Recipe, SegmentationRecipe
from cmr_ssp.recipes import load_recipe as read_recipe
from cmr_ssp.subjects import Cohort, Segmentation, Split, Subject

if TYPE_CHECKING:
    from cmr_ssp.jobs import Evaluation, Settings
    from cmr_ssp.runs import Run

PathLike = str | os.PathLike[str]
Subjects = int | Iterable[str] | Mapping[str, Sequence[Phase | str]]
"""How many labelled subjects, which, or which phases of which."""

_BOTH = (Phase.ED, Phase.ES)


def list_methods() -> tuple[str, ...]:
    """Return the names of the pretraining methods; presets are called ``<method>/<variant>``."""
    return PRETRAINING


def load_recipe(source: PathLike, settings: Iterable[str] = ()) -> Recipe:
    """Read a shipped preset or a recipe file.

    Parameters
    ----------
    source : str or path
        A preset's name, such as ``"mim/cpu-small"``, or the path of a YAML file.
    settings : iterable of str
        Changes, such as ``"optimiser.learning_rate=0.01"``.

    Raises
    ------
    RecipeError
        With every fault that was found.
    """
    is_file = not isinstance(source, str) or source.endswith((".yaml", ".yml"))
    return read_recipe(Path(source) if is_file else str(source), settings)


def open_cohort(folder: PathLike, labels: PathLike | None = None) -> Cohort:
    """List the subjects under a folder, whose layout is recognised; no pixels are read.

    Parameters
    ----------
    folder : str or path
        Of a data set, of NIfTI files, or of DICOM exams.
    labels : str or path, optional
        Folder of label versions; the newest stand in for the cohort's own labels.

    Returns
    -------
    Cohort
        `Cohort.problems` has everything that was found wrong.

    Raises
    ------
    CohortError
        Where the folder is no cohort.
    """
    from cmr_ssp import files

    cohort = files.open_cohort(Path(folder))
    return cohort if labels is None else files.with_label_versions(cohort, Path(labels))


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
    """
    from cmr_ssp import jobs

    wanted = _recipe(recipe)
    if not isinstance(wanted, PretrainRecipe):
        raise RecipeError.of(
            "recipe", f"its method is '{wanted.method}', which needs labels", "Call finetune."
        )
    made = _run(run)
    jobs.pretrain(
        cohort,
        wanted,
        made,
        split=split,
        settings=_settings(device, max_minutes),
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
    phases: Iterable[Phase | str] = _BOTH,
    split: Split | None = None,
    device: str = "auto",
    max_minutes: float | None = None,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Run:
    """Train a network that segments, on the labels of a few subjects.

    Parameters
    ----------
    cohort, recipe, run, device, max_minutes, on_event, cancel
        As for `pretrain`.
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

    Returns
    -------
    Run
        The folder, for `segment` and `evaluate`.

    Raises
    ------
    CmrSspError
        With everything that is wrong with cohort, labels, recipe or run.
    """
    from cmr_ssp import jobs

    wanted = _recipe(recipe)
    if not isinstance(wanted, SegmentationRecipe):
        raise RecipeError.of(
            "recipe", f"its method is '{wanted.method}', which uses no label", "Call pretrain."
        )
    made = _run(run)
    jobs.finetune(
        cohort,
        wanted,
        made,
        pretrained=None if pretrained is None else _run(pretrained),
        budget=jobs.LabelBudget(_subjects(subjects), seed, _phases(phases)),
        split=split,
        settings=_settings(device, max_minutes),
        on_event=on_event,
        cancel=cancel,
    )
    return made


def segment(
    run: PathLike | Run,
    cines: PathLike | Iterable[PathLike],
    output: PathLike,
    *,
    numbering: str = "mnms",
    replace: bool = False,
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> tuple[Path, ...]:
    """Segment every frame of cines, and write label files in the geometry of each source.

    Parameters
    ----------
    run : str, path or Run
        From `finetune`.
    cines : str, path, or iterable of them
        NIfTI files, or folders or zip archives of DICOM.
    output : str or path
        A folder, or for a single cine a ``.nii.gz`` file.
    numbering : str
        Numbers in the files: ``mnms`` (LV 1, MYO 2, RV 3) or ``acdc``.
    replace : bool
        Write over segmentations of other exams, and over those that were edited; a copy stays as ``.bak``.
    device, on_event, cancel
        As for `pretrain`.

    Returns
    -------
    tuple of Path
        The files that were written, in the order of the cines.

    Raises
    ------
    CmrSspError
        Naming every file that cannot be segmented, before the first is.
    """
    from cmr_ssp import jobs

    listed = [cines] if isinstance(cines, str | os.PathLike) else cines
    done = jobs.segment(
        _run(run),
        [Path(cine) for cine in listed],
        Path(output),
        numbering=numbering,
        replace=replace,
        device=device,
        on_event=on_event,
        cancel=cancel,
    )
    return tuple(file for _, file in done.files)


def evaluate(
    run: PathLike | Run,
    cohort: Cohort,
    *,
    phases: Iterable[Phase | str] = _BOTH,
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Evaluation:
    """Score a run by 3D Dice in the images' own voxel grids.

    Parameters
    ----------
    run : str, path or Run
        From `finetune`.
    cohort : Cohort
        Labelled subjects.
    phases, device, on_event, cancel
        As for `finetune`.

    Returns
    -------
    Evaluation
        Its `reported` scores are those of subjects that the run never saw.

    Raises
    ------
    CmrSspError
        Where no subject is labelled, or naming every file that cannot be used.
    """
    from cmr_ssp import jobs

    return jobs.evaluate(
        _run(run), cohort, phases=_phases(phases), device=device, on_event=on_event, cancel=cancel
    )


def read_segmentation(subject: Subject, phase: Phase | str) -> Segmentation:
    """Read what somebody drew on one phase of a subject, at the frame that the pixels bear out.

    Parameters
    ----------
    subject : Subject
        Of a cohort.
    phase : Phase or str
        Such as ``"ED"``.

    Returns
    -------
    Segmentation
        Labels, shape (slice, row, column), the frame, and which structures somebody drew.

    Raises
    ------
    LabelError, ImageError
        Where the phase is not labelled, or a file is unreadable or does not fit the cine.
    """
    from cmr_ssp import files

    return files.read_segmentation(files.resolve_subject(subject), phase)


def _recipe(source: Recipe | PathLike) -> Recipe:
    return source if isinstance(source, Recipe) else load_recipe(source)


def _run(place: PathLike | Run) -> Run:
    from cmr_ssp.runs import Run

    return place if isinstance(place, Run) else Run(Path(place))


def _settings(device: str, max_minutes: float | None) -> Settings:
    from cmr_ssp import jobs

    return jobs.Settings(device, max_minutes)


def _phases(names: Iterable[Phase | str]) -> list[Phase]:
    listed = [names] if isinstance(names, str) else names
    return [phase_named(name) for name in listed]


def _subjects(wanted: Subjects | None) -> int | Sequence[str] | Mapping[str, Sequence[Phase]] | None:
    if wanted is None or isinstance(wanted, int):
        return wanted
    if isinstance(wanted, Mapping):
        return {name: _phases(phases) for name, phases in wanted.items()}
    return [wanted] if isinstance(wanted, str) else list(wanted)
