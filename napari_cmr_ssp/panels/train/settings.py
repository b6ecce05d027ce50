"""What the recipe models declare about each setting, in the order and grouping of the models. No Qt."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from cmr_ssp.recipes import Recipe
from pydantic import BaseModel
from pydantic.fields import FieldInfo

COUNTS = ("epochs", "updates")
"""How long a training lasts: a recipe has one of them."""

_FIRST_GROUP = "Training"
_RELATIONS = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a recipe, as its model declares it.

    Attributes
    ----------
    key : str
        Dotted, as on the command line: ``optimiser.learning_rate``.
    group : str
        Title of the part of the recipe that it belongs to.
    title : str
        For people, with the unit.
    about : str
        What it does, its limits and its key, one a line.
    type : type
        bool, int, float, str or tuple.
    choices : tuple of str
        All values that it can have; empty where there is no such list.
    least, most : float or None
        Limits of a number, where the model has some.
    if_empty : str or None
        What leaving it empty means, None where it has to have a value.
    """

    key: str
    group: str
    title: str
    about: str
    type: type
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    if_empty: str | None = None


def settings_of(model: type[BaseModel], above: str = "", group: str = _FIRST_GROUP) -> Iterator[Setting]:
    """List the settings of a recipe model, groups inside it included; the method is no setting."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings_of(kind, f"{above}{name}.", field.title or name)
        elif f"{above}{name}" != "method":
            yield _setting(f"{above}{name}", group, field)


def flattened(recipe: Recipe) -> dict[str, Any]:
    """Return the values of all settings by key, as YAML has them: lists for tuples."""
    return dict(_leaves(recipe.model_dump(mode="json", exclude={"method"})))


def nested(values: Mapping[str, object]) -> dict[str, Any]:
    """Return values by dotted key as the tree that `parse_recipe` takes."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *groups, leaf = key.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[leaf] = value
    return tree


def as_text(value: object) -> str:
    """Write a value for a line of text: 0.003, 1e-5, ``16, 32, 64``, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(as_text(one) for one in value)
    if isinstance(value, float):
        short = f"{value:g}"
        exact = short if float(short) == value else repr(value)
        return re.sub(r"e([+-])0*(\d)", lambda m: f"e{m[1].strip('+')}{m[2]}", exact)
    return str(value)


def from_text(text: str, setting: Setting) -> object:
    """Read what somebody wrote, leaving to the recipe to judge the numbers."""
    text = text.strip()
    if setting.type is tuple:
        return [part for part in re.split(r"[\s,;]+", text.strip("[]()")) if part]
    return None if not text and setting.if_empty is not None else text


def differences(recipe: Recipe, preset: Recipe) -> dict[str, object]:
    """Return the settings of `recipe` that `preset` has otherwise; one count replaces the other."""
    theirs = flattened(preset)
    found = {key: value for key, value in flattened(recipe).items() if value != theirs[key]}
    return {key: value for key, value in found.items() if value is not None or key not in COUNTS}


def key_of(what: str, keys: Container[str]) -> str | None:
    """Return the setting that the text of a problem is about: the one that it begins with."""
    first = what.partition(" ")[0].rstrip(":")
    whole, _, index = first.rpartition(".")
    return next((key for key in (first, whole if index.isdigit() else "") if key in keys), None)


def without_key(what: str, key: str) -> str:
    """Return the text of a problem without the key, beside which it is shown."""
    rest = what.removeprefix(key)
    if not rest.startswith("."):
        return rest.removeprefix(":").strip()
    index, _, reason = rest[1:].partition(": ")  # of a number in a row of numbers
    return f"number {int(index) + 1}: {reason}"


def _setting(key: str, group: str, field: FieldInfo) -> Setting:
    kinds, limits = _unwrap(field.annotation)
    limits |= {type(mark): mark for mark in field.metadata}
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit, empty = extra.get("unit"), extra.get("none", "none")
    choices = get_args(kinds[0]) if get_origin(kinds[0]) is Literal else ()
    kind = type(choices[0]) if choices else get_origin(kinds[0]) or kinds[0]
    if kind not in (bool, int, float, str, tuple):
        raise TypeError(f"no form field shows a {kind} such as {key}")
    low, high = limits.get(Ge, limits.get(Gt)), limits.get(Le, limits.get(Lt))
    return Setting(
        key=key,
        group=group,
        title=f"{field.title or key} ({unit})" if unit else field.title or key,
        about="\n".join(filter(None, (field.description, _limits_text(limits), f"Setting: {key}"))),
        type=kind,
        choices=choices,
        least=None if low is None else getattr(low, "ge", getattr(low, "gt", None)),
        most=None if high is None else getattr(high, "le", getattr(high, "lt", None)),
        if_empty=str(empty) if type(None) in kinds else None,
    )


def _unwrap(annotation: Any) -> tuple[tuple[Any, ...], dict[type, Any]]:
    """Take a type, or the types of a union, out of what annotates them."""
    if get_origin(annotation) is Annotated:
        kind, *marks = get_args(annotation)
        found = [m for mark in marks for m in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
        return (kind,), {type(mark): mark for mark in found}
    members = get_args(annotation)
    if type(None) not in members:
        return (annotation,), {}
    all_kinds: tuple[Any, ...] = ()
    all_marks: dict[type, Any] = {}
    for kinds, limits in map(_unwrap, members):
        all_kinds, all_marks = all_kinds + kinds, all_marks | limits
    return all_kinds, all_marks


def _limits_text(limits: Mapping[type, Any]) -> str:
    """Say what the model demands of a number."""
    said = [
        f"{relation} {as_text(getattr(limits[kind], kind.__name__.lower()))}"
        for kind, relation in _RELATIONS.items()
        if kind in limits
    ]
    return " and ".join(said).capitalize()


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
