"""Plan the training of a starter model on a public data set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.devices import choose_device
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.files import open_cohort, open_stack
from cmr_ssp.files.layouts import acdc, mnms, mnms2, nnunet, plain
from cmr_ssp.files.layouts.licences import licence_of
from cmr_ssp.jobs.budget import MIN_SUBJECTS_TO_VALIDATE
from cmr_ssp.jobs.context import resolve
from cmr_ssp.jobs.estimating import estimate_seconds
from cmr_ssp.recipes import SegmentationRecipe, load_recipe, matching_preset
from cmr_ssp.runs import only_phantoms
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.subjects.split import draw_split
from cmr_ssp.training import TrainingLength

FEWEST_SUBJECTS = 4
"""Fewest labelled subjects of a starter model; 3 of them train and one tests."""

_TEST, _VALIDATION = 0.2, 0.1
_REPEATS = 3  # of the timing: other programs make some of them slower
_LAYOUTS = {acdc.NAME, mnms.NAME, mnms2.NAME, f"{mnms.NAME} and {mnms2.NAME}", nnunet.NAME, plain.NAME}
_NAMED_BY_FOLDER = {nnunet.NAME, plain.NAME}


@dataclass(frozen=True, slots=True)
class Starter:
    """A planned starter model.

    Attributes
    ----------
    cohort : Cohort
        The data set.
    licence : str
        Its licence, or that it is unknown.
    name : str
        Name of the data set that can be part of a folder name.
    split : Split
        Role of every subject.
    labels : Mapping of str to tuple of Phase
        Labelled phases to train on, by subject id.
    n_validating : int
        Number of labelled subjects that choose the best checkpoint.
    preset : str
        Name of the preset for this machine.
    recipe : SegmentationRecipe
        All settings.
    seconds : float
        Estimated duration of the training, without reading the data.
    """

    cohort: Cohort
    licence: str
    name: str
    split: Split
    labels: Mapping[str, tuple[Phase, ...]]
    n_validating: int
    preset: str
    recipe: SegmentationRecipe
    seconds: float

    @property
    def n_labelled(self) -> int:
        """Number of labelled subjects."""
        return sum(bool(subject.phases) for subject in self.cohort.subjects)

    @property
    def n_testing(self) -> int:
        """Number of test subjects."""
        return len(self.split.ids(Role.TEST))


def plan_starter(folder: Path, device: str = "auto") -> Starter:
    """Plan to train from scratch on all labelled training subjects of a data set, and estimate the duration.

    The estimate uses the threads that torch is set to.

    Parameters
    ----------
    folder : Path
        Folder in the layout of ACDC, M&Ms, M&Ms-2 or nnU-Net, or a plain folder with labels.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    CohortError
        If the folder has another layout, too few labelled subjects, or only phantoms.
    """
    cohort = open_cohort(folder)
    _require_use(cohort)
    split = draw_split(cohort.subjects, test=_TEST, validation=_VALIDATION)
    labels = {
        subject.id: subject.phases
        for subject in cohort.subjects
        if subject.phases and split.role(subject.id) is Role.TRAIN
    }
    validates = len(labels) >= MIN_SUBJECTS_TO_VALIDATE
    if not validates:  # their labels are too few to set some aside
        labels |= {s.id: s.phases for s in cohort.subjects if split.role(s.id) is Role.VALIDATION}
        split = Split({**split.roles, **dict.fromkeys(labels, Role.TRAIN)}, split.seed)
    on = choose_device(device)
    preset = matching_preset(None, on_gpu=on.type != "cpu")
    recipe = load_recipe(preset, kind=SegmentationRecipe)
    length = TrainingLength.of(recipe, _n_slices(cohort, labels))
    resolved = resolve(recipe, on)
    return Starter(
        cohort=cohort,
        licence=licence_of(cohort.layout, cohort.root),
        name=_name(cohort),
        split=split,
        labels=labels,
        n_validating=len(split.ids(Role.VALIDATION)),
        preset=preset,
        recipe=recipe,
        seconds=min(estimate_seconds(resolved, on, length.updates) for _ in range(_REPEATS)),
    )


def _require_use(cohort: Cohort) -> None:
    labelled = [subject.id for subject in cohort.subjects if subject.phases]
    if only_phantoms(labelled):
        what = "contains synthetic hearts; a model that knows only them finds nothing in patients"
    elif cohort.layout not in _LAYOUTS:
        what = f"has the layout {cohort.layout}, which is no data set for a starter model"
    elif len(labelled) < FEWEST_SUBJECTS:
        what = f"has {len(labelled)} labelled subjects, fewer than {FEWEST_SUBJECTS}"
    else:
        return
    remedy = "Choose a folder of ACDC, M&Ms, M&Ms-2 or of nnU-Net, with labels."
    raise CohortError(Problem(str(cohort.root), what, remedy), *cohort.problems)


def _n_slices(cohort: Cohort, labels: Mapping[str, tuple[Phase, ...]]) -> int:
    """Return the number of labelled slices, by the headers."""
    subjects = cohort.select(labels).subjects
    return sum(open_stack(each).grid.shape[0] * len(labels[each.id]) for each in subjects)


def _name(cohort: Cohort) -> str:
    name = cohort.root.name if cohort.layout in _NAMED_BY_FOLDER else cohort.layout.lower().replace("&", "n")
    return re.sub(r"[^\w-]+", "-", name).strip("-_")[:60] or "data"
