"""Planned trainings: what a panel asks for, before there is a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from cmr_ssp.anatomy import Phase
from cmr_ssp.recipes import PretrainRecipe, Recipe, SegmentationRecipe
from cmr_ssp.subjects import Cohort, Split

_RecipeT = TypeVar("_RecipeT", bound=Recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan(Generic[_RecipeT]):
    """A planned training.

    Attributes
    ----------
    cohort : Cohort
        The cohort.
    split : Split
        Role of each subject.
    recipe : Recipe or None
        All settings; None to resume a run with its own recipe.
    run_folder : Path
        The new run, or the one to resume.
    max_minutes : float or None
        Time limit.
    data_licence : str
        Terms of the data; empty if unknown.
    """

    cohort: Cohort
    split: Split
    recipe: _RecipeT | None
    run_folder: Path
    max_minutes: float | None = None
    data_licence: str = ""

    @property
    def resumes(self) -> bool:
        """Whether it continues a run."""
        return self.recipe is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingPlan(_Plan[PretrainRecipe]):
    """A planned pretraining."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuningPlan(_Plan[SegmentationRecipe]):
    """A planned training on labels.

    Attributes
    ----------
    ticks : Mapping
        Labelled phases by subject id; empty to resume a run.
    pretrained : Path or None
        The run to start from.
    """

    ticks: Mapping[str, frozenset[Phase]] = field(default_factory=dict)
    pretrained: Path | None = None


TrainingPlan = PretrainingPlan | FinetuningPlan
