"""The experiment file: which trainings make up an experiment, checked as a whole before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CmrSspError, Problem, RecipeError
from cmr_ssp.experiments.arms import SCRATCH
from cmr_ssp.experiments.recipes import checked_recipe, preset_of
from cmr_ssp.plain_yaml import load_yaml
from cmr_ssp.recipes import validation_problems
from cmr_ssp.recipes.models import LARGEST_SEED, ContradictionError, Count, RecipeModel

_SHIPPED = resources.files("cmr_ssp.experiments") / "shipped"
_REMEDY = "Start from `cmr-ssp experiment show phantom`."

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Control = Literal["updates", "minutes"]
Several = Field(min_length=1)


class SplitRule(RecipeModel):
    """How the test subjects are drawn, once for all cells.

    Attributes
    ----------
    test, validation : int
        Numbers of labelled subjects; validation subjects only observe the pretraining.
    seed : int
        Seed of the draw.
    by : {"vendor", "group"}
        What the test subjects represent in proportion.
    published : bool
        Use the paper's split of M&Ms and M&Ms-2 instead.
    """

    test: Annotated[int, Field(ge=0)] = 0
    validation: Annotated[int, Field(ge=0)] = 0
    seed: Seed = 0
    by: Literal["vendor", "group"] = "vendor"
    published: bool = False

    def stated(self) -> dict[str, Any]:
        """Return what differs from the defaults; a later version may have more fields."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.published == bool(self.test):
            raise ContradictionError(["test: give a number of test subjects, or published: true"])
        return self


class Phantoms(RecipeModel):
    """Synthetic hearts that an experiment makes itself."""

    subjects: Annotated[int, Field(ge=2, le=500)]
    seed: Seed = 1


class Expected(RecipeModel):
    """Sizes of the data, for a plan without the data: of the training subjects only."""

    slices: Count
    labelled_slices_per_subject: Annotated[float, Field(gt=0)]
    subjects: Count
    test_subjects: Count


class SeedLists(RecipeModel):
    """Seeds; every pretraining is combined with every training.

    Attributes
    ----------
    pretraining, training : tuple of int
        Seeds of weights and order.
    subset : tuple of int or None
        One per training seed, or None to use the training seed, as in the paper.
    """

    pretraining: Annotated[tuple[Seed, ...], Several] = (0,)
    training: Annotated[tuple[Seed, ...], Several] = (0,)
    subset: tuple[Seed, ...] | None = None

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if self.subset is not None and len(self.subset) != len(self.training):
            raise ContradictionError(["subset: give one seed for each seed of training"])
        return self

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the seeds of the training and of its subset."""
        yield from zip(self.training, self.subset or self.training, strict=True)


class Grid(RecipeModel):
    """Every combination of its lists is one training on labels.

    Attributes
    ----------
    methods : tuple of str
        ``scratch`` or pretraining methods.
    preset : str
        Second part of the names of the presets, such as ``cpu-small``.
    subjects : tuple of int or "all"
        Numbers of labelled subjects.
    phases, vendors : tuple of tuple
        Labelled phases, and scanner vendors (none for all), to train on.
    augmentation : tuple of bool
        Whether training on labels augments; pretraining always does.
    updates : tuple of int or None
        Updates on labels; None for those of the preset.
    settings, pretraining_settings : tuple of str
        ``key=value`` changes of the recipes.
    controls : tuple of {"updates", "minutes"}
        Also train from scratch for as many updates, or minutes, as pretraining and training took together.
    """

    methods: Annotated[tuple[str, ...], Several]
    preset: str
    subjects: Annotated[tuple[Count | Literal["all"], ...], Several]
    seeds: SeedLists = SeedLists()
    phases: Annotated[tuple[Annotated[tuple[Phase, ...], Several], ...], Several] = (tuple(Phase),)
    vendors: Annotated[tuple[tuple[str, ...], ...], Several] = ((),)
    augmentation: Annotated[tuple[bool, ...], Several] = (True,)
    updates: Annotated[tuple[Count | None, ...], Several] = (None,)
    settings: tuple[str, ...] = ()
    pretraining_settings: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()

    def faults(self) -> list[Problem]:
        """Return what is wrong with methods, presets and settings."""
        problems: list[Problem] = []
        for method in self.methods:
            wanted = [(preset_of(method, self.preset, labels=True), self.settings)]
            if method != SCRATCH:
                wanted.append((preset_of(method, self.preset, labels=False), self.pretraining_settings))
            for preset, settings in wanted:
                try:
                    checked_recipe(preset, settings)
                except CmrSspError as error:
                    problems += error.problems
        return problems


class ExperimentFile(RecipeModel):
    """A whole experiment.

    Attributes
    ----------
    labelled : str
        Name of the data with labels; its folder is given when the experiment runs.
    unlabelled : tuple of str
        Names of data for pretraining only; their labels are never read.
    phantoms : Phantoms or None
        Make the labelled data instead.
    """

    labelled: str = "labelled"
    unlabelled: tuple[str, ...] = ()
    phantoms: Phantoms | None = None
    split: SplitRule
    expected: Expected | None = None
    grids: Annotated[tuple[Grid, ...], Several]
    _text: str = PrivateAttr("")

    @property
    def text(self) -> str:
        """The file as it was written, comments included."""
        return self._text

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all data, that with labels first."""
        return (self.labelled, *self.unlabelled)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if len(set(self.names)) < len(self.names):
            faults.append("unlabelled: a name is used twice")
        if self.phantoms and not self.split.published and self.split.test >= self.phantoms.subjects:
            faults.append("split.test: leaves no phantom to train on")
        if faults:
            raise ContradictionError(faults)
        return self


def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped experiments."""
    names = (file.name for file in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def experiment_text(source: str) -> str:
    """Return the text of an experiment file.

    Parameters
    ----------
    source : str
        Path of a file, or the name of a shipped experiment.

    Raises
    ------
    RecipeError
        If it cannot be read.
    """
    if source in shipped_names():
        return (_SHIPPED / f"{source}.yaml").read_text(encoding="utf-8")
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"Give a YAML file, or one of {', '.join(shipped_names())}."
        raise RecipeError.of(source, f"cannot be read as an experiment ({error})", remedy) from None


def parse_experiment(text: str, where: str) -> ExperimentFile:
    """Check an experiment file; `where` names it in errors.

    Raises
    ------
    RecipeError
        If anything is invalid, recipes included; the error names all faults.
    """
    try:
        tree: Any = load_yaml(text)
        if not isinstance(tree, dict):
            raise RecipeError.of(where, "is not an experiment", _REMEDY)
        experiment = ExperimentFile.model_validate(tree)
    except yaml.YAMLError as error:
        raise RecipeError.of(where, f"is not valid YAML ({error})", "Correct the file.") from None
    except ValidationError as error:
        raise RecipeError(*validation_problems(where, error)) from None
    problems = [
        Problem(f"{where}: grids.{place}: {problem.where}", problem.what, problem.remedy)
        for place, grid in enumerate(experiment.grids)
        for problem in grid.faults()
    ]
    if problems:
        raise RecipeError(*problems)
    experiment._text = text
    return experiment


def load_experiment(source: str) -> ExperimentFile:
    """Read and check an experiment: the path of a file, or the name of a shipped one.

    Raises
    ------
    RecipeError
        If it cannot be read or anything in it is invalid; the error names all faults.
    """
    return parse_experiment(experiment_text(source), source)
