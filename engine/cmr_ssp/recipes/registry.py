"""The pretraining methods: those that ship with the engine, and those of other installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources.abc import Traversable
from typing import Any

from cmr_ssp.errors import Problem, RecipeError
from cmr_ssp.recipes.pretraining import PretrainRecipe

ENTRY_POINTS = "cmr_ssp.methods"
"""The group of entry points in which other packages name their methods."""

# By name and imported when first asked for: a method lies above the training that it extends.
_BUILT_IN = (
    "cmr_ssp.methods.mim",
    "cmr_ssp.methods.simclr",
    "cmr_ssp.methods.pcl",
    "cmr_ssp.methods.dino",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A pretraining method; making one loads neither torch nor the method's objective.

    Attributes
    ----------
    name : str
        What recipes call it: their ``method``, and the first half of its presets' names.
    short, title : str
        Its name for people, in lists and in full.
    learns : str
        What the network learns, in one sentence.
    recipe : type of PretrainRecipe
        Its settings.
    presets : Traversable
        The folder of its shipped recipes, one YAML file each.
    objective : str
        Its subclass of `cmr_ssp.methods.objective.PretrainObjective` as ``module:class``, imported when used.
    hands_on : tuple of str
        The parts of its network that fine-tuning starts from: ``encoder``, ``decoder`` or both.
    rebuilds : bool
        Whether its network rebuilds hidden patches as masked image modelling does, so that
        `cmr_ssp.jobs.reconstruct` can show them. Its recipe then derives from `MimRecipe`.
    """

    name: str
    short: str
    title: str
    learns: str
    recipe: type[PretrainRecipe]
    presets: Traversable
    objective: str
    hands_on: tuple[str, ...]
    rebuilds: bool = False

    def load_objective(self) -> Any:
        """Import the class that `objective` names.

        Raises
        ------
        RecipeError
            Where it cannot be imported.
        """
        module, _, name = self.objective.partition(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            what = f"its objective '{self.objective}' cannot be imported ({error})"
            raise RecipeError.of(f"method '{self.name}'", what, _REMEDY) from error


_REMEDY = "Update or uninstall the package that provides it."


def methods() -> tuple[Method, ...]:
    """Return all methods: the built-in ones in a fixed order, then those of other packages by name."""
    return tuple(_found()[0].values())


def method_names() -> tuple[str, ...]:
    """Return the names of all methods, in the same order."""
    return tuple(_found()[0])


def is_pretraining(name: str) -> bool:
    """Tell whether a recipe's method is one of pretraining."""
    return name in _found()[0]


def method(name: str) -> Method:
    """Return the method that recipes call so.

    Raises
    ------
    RecipeError
        Where no installed package provides it.
    """
    found, problems = _found()
    if name not in found:
        remedy = f"Choose one of {', '.join(found)}, or install the package that provides it."
        raise RecipeError(Problem(name, "is no pretraining method", remedy), *problems)
    return found[name]


def method_problems() -> tuple[Problem, ...]:
    """Return a warning for every method of another package that cannot be used."""
    return _found()[1]


@cache
def _found() -> tuple[Mapping[str, Method], tuple[Problem, ...]]:
    """Return the methods by name, and what is wrong with those of other packages."""
    found: dict[str, Method] = {}
    for module in _BUILT_IN:
        built_in: Method = import_module(module).METHOD
        found[built_in.name] = built_in
    problems = []
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        outcome = _loaded(point, found)
        if isinstance(outcome, Method):
            found[outcome.name] = outcome
        else:
            problems.append(outcome)
    return found, tuple(problems)


def _loaded(point: EntryPoint, found: Mapping[str, Method]) -> Method | Problem:
    """Return what an entry point names, or why it cannot be used; other people's code may raise anything."""
    where = f"entry point '{point.name}' of {ENTRY_POINTS}"
    try:
        loaded = point.load()
    except Exception as error:
        what = f"{point.value} cannot be imported ({type(error).__name__}: {error})"
        return Problem.warning(where, what, _REMEDY)
    if not isinstance(loaded, Method):
        return Problem.warning(where, f"{point.value} is no cmr_ssp.recipes.Method", _REMEDY)
    if loaded.name in (*found, "finetune", "scratch"):
        what = f"another method is called '{loaded.name}' already"
        return Problem.warning(where, what, _REMEDY)
    return loaded
