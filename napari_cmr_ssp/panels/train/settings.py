"""Settings as declared by the recipe models, in the order and groups of the models; independent of Qt."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cmr_ssp.recipes import Recipe
from pydantic import BaseModel

COUNTS = ("epochs", "updates")
"""Settings for the length of a training; a recipe has one of them."""

_WITHOUT_FIELD = {"method", "pseudo_labels"}
"""The window chooses the method elsewhere, and has no pseudo-labels to train on."""
_FIRST_GROUP = "Training"
_RELATIONS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
_TYPES = {"boolean": bool, "integer": int, "number": float, "string": str, "array": tuple}
"""Python types by type name of JSON schema."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a recipe, as its model declares it.

    Attributes
    ----------
    key : str
        Dotted key as on the command line: ``optimiser.learning_rate``.
    group : str
        Title of its part of the recipe.
    title : str
        Label with the unit.
    about : str
        Description, limits and key, one per line.
    type : type
        bool, int, float, str or tuple.
    choices : tuple of str
        Allowed values; empty if there is no list.
    minimum, maximum : float or None
        Limits of a number; None without a limit.
    if_empty : str or None
        Meaning of an empty field; None if a value is required.
    """

    key: str
    group: str
    title: str
    about: str
    type: type
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    if_empty: str | None = None


def settings_of(model: type[BaseModel]) -> Iterator[Setting]:
    """List the settings of a recipe model, including those of its parts, without the method."""
    schema = model.model_json_schema()
    for key, group, about in _properties(schema, schema.get("$defs", {}), "", _FIRST_GROUP):
        if key.partition(".")[0] not in _WITHOUT_FIELD:
            yield _setting(key, group, about)


def flattened(recipe: Recipe) -> dict[str, Any]:
    """Return the values of all settings by key, with lists for tuples as in YAML."""
    return dict(_leaves(recipe.model_dump(mode="json", exclude=_WITHOUT_FIELD)))


def nested(values: Mapping[str, object]) -> dict[str, Any]:
    """Convert values by dotted key to the tree that `parse_recipe` expects."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *groups, leaf = key.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[leaf] = value
    return tree


def as_text(value: object) -> str:
    """Format a value: 0.003, 1e-5, ``16, 32, 64``, empty for None."""
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
    """Convert the text of a field to a value; numbers remain text, which the recipe validates."""
    text = text.strip()
    if setting.type is tuple:
        return [part for part in re.split(r"[\s,;]+", text.strip("[]()")) if part]
    return None if not text and setting.if_empty is not None else text


def differences(recipe: Recipe, preset: Recipe) -> dict[str, object]:
    """Return the settings of `recipe` that differ from `preset`; one count replaces the other."""
    theirs = flattened(preset)
    found = {key: value for key, value in flattened(recipe).items() if value != theirs[key]}
    return {key: value for key, value in found.items() if value is not None or key not in COUNTS}


def key_of(what: str, keys: Container[str]) -> str | None:
    """Return the key of the setting that the text of a problem starts with."""
    first = what.partition(" ")[0].rstrip(":")
    whole, _, index = first.rpartition(".")
    return next((key for key in (first, whole if index.isdigit() else "") if key in keys), None)


def without_key(what: str, key: str) -> str:
    """Return the text of a problem without its key."""
    rest = what.removeprefix(key)
    if not rest.startswith("."):
        return rest.removeprefix(":").strip()
    index, _, reason = rest[1:].partition(": ")  # index in a list of numbers
    return f"number {int(index) + 1}: {reason}"


def _properties(
    schema: Mapping[str, Any], groups: Mapping[str, Any], above: str, group: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the dotted key, the title of the group and the schema of each setting."""
    for name, about in schema["properties"].items():
        if "$ref" in about:
            inside = groups[about["$ref"].rpartition("/")[2]]
            yield from _properties(inside, groups, f"{above}{name}.", about.get("title", inside["title"]))
        else:
            yield f"{above}{name}", group, about


def _setting(key: str, group: str, about: Mapping[str, Any]) -> Setting:
    kinds = [kind for kind in about.get("anyOf", [about]) if kind.get("type") != "null"]
    value = {name: part for kind in kinds for name, part in kind.items()}
    if value.get("type") not in _TYPES:
        raise TypeError(f"there is no form field for the type {value.get('type')} of {key}")
    limits = {word: value[word] for word in _RELATIONS if word in value}
    title, unit = about.get("title", key), about.get("unit")
    may_be_empty = {"type": "null"} in about.get("anyOf", [])
    return Setting(
        key=key,
        group=group,
        title=f"{title} ({unit})" if unit else title,
        about="\n".join(filter(None, (about.get("description"), _limits_text(limits), f"Setting: {key}"))),
        type=_TYPES[value["type"]],
        choices=tuple(value.get("enum", ())),
        minimum=limits.get("minimum", limits.get("exclusiveMinimum")),
        maximum=limits.get("maximum", limits.get("exclusiveMaximum")),
        if_empty=str(about.get("none", "none")) if may_be_empty else None,
    )


def _limits_text(limits: Mapping[str, float]) -> str:
    """Describe the limits of a number."""
    return " and ".join(f"{_RELATIONS[word]} {as_text(n)}" for word, n in limits.items()).capitalize()


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
