"""List pretraining methods and presets, and load recipes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar, overload

from cmr_ssp.api.arguments import PathLike
from cmr_ssp.recipes import Recipe, method_names, preset_names, preset_purpose
from cmr_ssp.recipes import load_recipe as read_recipe

_RecipeT = TypeVar("_RecipeT", bound=Recipe)


def list_methods() -> tuple[str, ...]:
    """Return the names of the pretraining methods; presets are called ``<method>/<variant>``.

    Examples
    --------
    >>> "mim" in cmr_ssp.list_methods()
    True
    """
    return method_names()


def list_recipes() -> dict[str, str]:
    """Return the names of the presets, each with a sentence about its purpose.

    Examples
    --------
    >>> cmr_ssp.list_recipes()["mim/cpu-small"]
    'Pretrain by masked image modelling on two processor cores'
    """
    return {name: preset_purpose(name) for name in preset_names()}


@overload
def load_recipe(source: PathLike, settings: Iterable[str] = ()) -> Recipe: ...


@overload
def load_recipe(source: PathLike, settings: Iterable[str] = (), *, kind: type[_RecipeT]) -> _RecipeT: ...


def load_recipe(source: PathLike, settings: Iterable[str] = (), *, kind: type[Recipe] = Recipe) -> Recipe:
    """Load a preset or a recipe file.

    Parameters
    ----------
    source : str or path
        Name of a preset, such as ``"mim/cpu-small"``, or path of a YAML file.
    settings : iterable of str
        Changes, such as ``"optimiser.learning_rate=0.01"``.
    kind : type of Recipe
        Required class of the recipe, such as `cmr_ssp.recipes.PretrainRecipe`; by default any.

    Raises
    ------
    RecipeError
        If settings are invalid; the error names all faults.

    Examples
    --------
    >>> recipe = cmr_ssp.load_recipe("scratch/paper", ["optimiser.learning_rate=0.02"])
    >>> recipe.optimiser.learning_rate
    0.02
    """
    is_file = not isinstance(source, str) or source.endswith((".yaml", ".yml"))
    return read_recipe(Path(source) if is_file else str(source), settings, kind=kind)
