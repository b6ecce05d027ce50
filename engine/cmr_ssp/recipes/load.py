"""Load recipes from presets, YAML files and ``key=value`` settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml
from pydantic import ValidationError

from cmr_ssp.errors import Problem, RecipeError
from cmr_ssp.plain_yaml import load_yaml
from cmr_ssp.recipes import registry
from cmr_ssp.recipes.models import ContradictionError, Recipe
from cmr_ssp.recipes.segmentation import SegmentationRecipe

_RecipeT = TypeVar("_RecipeT", bound=Recipe)
_TRAINING: Mapping[str, type[Recipe]] = {"finetune": SegmentationRecipe, "scratch": SegmentationRecipe}
_REMOVED = {"teacher.buffers_follow": "The teacher keeps its own running statistics. Repeat the pretraining."}
"""Settings of earlier versions, and what to do instead."""

_PRESETS = resources.files("cmr_ssp.recipes") / "presets"


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets, such as ``mim/paper``, sorted by method and name."""
    return tuple(
        f"{name}/{file.name.removesuffix('.yaml')}"
        for name, folder in sorted(_preset_folders().items())
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".yaml")
    )


def _preset_folders() -> dict[str, Traversable]:
    of_training = {name: _PRESETS / name for name in _TRAINING}
    return of_training | {method.name: method.presets for method in registry.methods()}


def preset_purpose(name: str) -> str:
    """Return the purpose of a preset, one sentence from the first line of its file.

    Raises
    ------
    RecipeError
        If the preset does not exist.
    """
    return _preset_text(name).partition("\n")[0].removeprefix("#").strip()


@overload
def load_recipe(
    source: str | Path, settings: Iterable[str] = (), *, methods: Iterable[str] | None = None
) -> Recipe: ...


@overload
def load_recipe(
    source: str | Path,
    settings: Iterable[str] = (),
    *,
    kind: type[_RecipeT],
    methods: Iterable[str] | None = None,
) -> _RecipeT: ...


def load_recipe(
    source: str | Path,
    settings: Iterable[str] = (),
    *,
    kind: type[Recipe] = Recipe,
    methods: Iterable[str] | None = None,
) -> Recipe:
    """Load a recipe and apply settings to it.

    Parameters
    ----------
    source : str or Path
        A preset's name as a string, or the path of a YAML file.
    settings : iterable of str
        ``key=value`` pairs; dotted keys are nested settings, as in ``optimiser.learning_rate=0.01``.
    kind : type of Recipe
        Required class of the recipe, such as `PretrainRecipe`; by default any.
    methods : iterable of str, optional
        Allowed methods; by default all of that kind.

    Raises
    ------
    RecipeError
        If settings are invalid; the error names all faults.
    """
    try:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else _preset_text(source)
        tree = load_yaml(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError.of(source, f"is not valid YAML ({error})", "Correct the file.") from None
    if not isinstance(tree, dict):
        raise RecipeError.of(source, "has no settings", "Start from `cmr-ssp recipe show mim/paper`.")
    for setting in settings:
        _apply(tree, setting)
    return parse_recipe(tree, str(source), kind=kind, methods=methods)


@overload
def parse_recipe(tree: Mapping[str, Any], where: str, *, methods: Iterable[str] | None = None) -> Recipe: ...


@overload
def parse_recipe(
    tree: Mapping[str, Any], where: str, *, kind: type[_RecipeT], methods: Iterable[str] | None = None
) -> _RecipeT: ...


def parse_recipe(
    tree: Mapping[str, Any],
    where: str,
    *,
    kind: type[Recipe] = Recipe,
    methods: Iterable[str] | None = None,
) -> Recipe:
    """Validate the settings of a recipe; `where` names their source in errors.

    Raises
    ------
    RecipeError
        If settings are invalid; the error names all faults.
    """
    model = _model(tree.get("method"), where, kind, methods)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(*validation_problems(where, error)) from None


def _model(name: object, where: str, kind: type[Recipe], methods: Iterable[str] | None) -> type[Recipe]:
    """Return the recipe class of a method, if the method is allowed."""
    known = {method.name: method.recipe for method in registry.methods()} | dict(_TRAINING)
    if not isinstance(name, str) or name not in known:
        remedy = f"Choose one of {', '.join(known)}, or install the package that provides it."
        raise RecipeError(
            Problem(where, f"its method {name!r} is unknown", remedy), *registry.method_problems()
        )
    allowed = known if methods is None else list(methods)
    if name not in allowed or not issubclass(known[name], kind):
        fitting = [other for other in allowed if other in known and issubclass(known[other], kind)]
        remedy = f"Use a recipe whose method is {' or '.join(fitting)}."
        raise RecipeError.of(where, f"has the method {name!r}, which cannot be used here", remedy)
    return known[name]


def recipe_yaml(recipe: Recipe) -> str:
    """Return the recipe as YAML with every setting written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, default_flow_style=None)


def _preset_text(name: str) -> str:
    if name not in preset_names():
        remedy = f"Choose one of {', '.join(preset_names())}, or give a file with --recipe."
        raise RecipeError.of(name, "is not a preset", remedy)
    method, _, variant = name.partition("/")
    return (_preset_folders()[method] / f"{variant}.yaml").read_text(encoding="utf-8")


def _apply(tree: dict[str, Any], setting: str) -> None:
    """Write one ``key=value`` pair into the tree; epochs and updates replace each other."""
    key, equals, value = setting.partition("=")
    if not equals:
        raise RecipeError.of(setting, "is not a key=value pair", "Write, for example, --set updates=400.")
    *groups, leaf = key.strip().split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
        if not isinstance(tree, dict):
            raise RecipeError.of(setting, f"'{group}' is not a group of settings", "Name a setting.")
    if not groups and leaf in ("epochs", "updates"):
        for count in ("epochs", "updates"):
            tree.pop(count, None)
    try:
        tree[leaf] = load_yaml(value)
    except yaml.YAMLError:
        raise RecipeError.of(setting, "has a value that is not valid YAML", "Quote it.") from None


def validation_problems(where: str, error: ValidationError) -> list[Problem]:
    """Return every fault of settings as a problem with a remedy; `where` names their source."""
    return [problem for fault in error.errors() for problem in _problems(where, fault)]


def _problems(where: str, fault: Mapping[str, Any]) -> list[Problem]:
    """Convert an error of pydantic to problems with a remedy."""
    key = ".".join(str(part) for part in fault["loc"])
    found = fault.get("ctx", {}).get("error")
    if isinstance(found, ContradictionError):
        remedy = "Change one of the settings."
        return [Problem(where, f"{key}.{what}" if key else what, remedy) for what in found.faults]
    return [_problem(where, key, fault)]


def _problem(where: str, key: str, fault: Mapping[str, Any]) -> Problem:
    if key in _REMOVED:
        return Problem(where, f"the setting '{key}' no longer exists", f"Remove it. {_REMOVED[key]}")
    if fault["type"] == "extra_forbidden":
        return Problem(where, f"the setting '{key}' is unknown", "Remove it or correct its name.")
    return Problem(where, f"{key}: {fault['msg']}", f"Set {key} to a valid value.")
