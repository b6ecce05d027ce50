"""Registry of pretraining methods: the built-in ones, and those of other installed packages."""

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
"""Entry point group by which other packages provide methods."""

# Imported on first use, since methods depend on the training code.
_BUILT_IN = (
    "cmr_ssp.methods.mim",
    "cmr_ssp.methods.simclr",
    "cmr_ssp.methods.pcl",
    "cmr_ssp.methods.dino",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A pretraining method; creating one imports neither torch nor the objective.

    Attributes
    ----------
    name : str
        Identifier: ``method`` in recipes, and the first part of preset names.
    short, title : str
        Short and full display name.
    learns : str
        One sentence on what the network learns.
    recipe : type of PretrainRecipe
        Class of its recipes.
    presets : Traversable
        Folder of its presets, one YAML file each.
    objective : str
        Subclass of `cmr_ssp.methods.objective.PretrainObjective` as ``module:class``, imported on first use.
    hands_on : tuple of str
        Parts of the network from which fine-tuning starts: ``encoder``, ``decoder`` or both.
    rebuilds : bool
        Whether the network reconstructs hidden patches like MIM, for `cmr_ssp.jobs.reconstruct`. The recipe
        must then derive from `MimRecipe`.
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
        """Import the class named by `objective`.

        Raises
        ------
        RecipeError
            If it cannot be imported.
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
    """Return whether a method is a pretraining method."""
    return name in _found()[0]


def method(name: str) -> Method:
    """Return the method with a name.

    Raises
    ------
    RecipeError
        If no installed package provides it.
    """
    found, problems = _found()
    if name not in found:
        remedy = f"Choose one of {', '.join(found)}, or install the package that provides it."
        raise RecipeError(Problem(name, "is not a pretraining method", remedy), *problems)
    return found[name]


def method_problems() -> tuple[Problem, ...]:
    """Return a warning for each method of another package that cannot be used."""
    return _found()[1]


@cache
def _found() -> tuple[Mapping[str, Method], tuple[Problem, ...]]:
    """Return the methods by name, and the problems of those from other packages."""
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
    """Load an entry point; return its method, or why it cannot be used (it may raise any exception)."""
    where = f"entry point '{point.name}' of {ENTRY_POINTS}"
    try:
        loaded = point.load()
    except Exception as error:
        what = f"{point.value} cannot be imported ({type(error).__name__}: {error})"
        return Problem.warning(where, what, _REMEDY)
    if not isinstance(loaded, Method):
        return Problem.warning(where, f"{point.value} is not a cmr_ssp.recipes.Method", _REMEDY)
    if loaded.name in (*found, "finetune", "scratch"):
        what = f"there is already a method '{loaded.name}'"
        return Problem.warning(where, what, _REMEDY)
    return loaded
