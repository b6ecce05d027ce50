"""Keys of the contour tools, after the habits of the program Segment; people can change them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from cmr_ssp.errors import Problem

DEFAULT_KEYS: Mapping[str, str] = {
    "push": "P",
    "draw": "C",
    "brush": "B",
    "erase": "E",
    "look": "Z",
    "switch endo and epi": "Space",
    "structure RV": "R",
    "hide": "H",
    "smooth": "O",
    "grow": "Ctrl+E",
    "shrink": "Ctrl+K",
    "copy to base": "Ctrl+U",
    "copy to apex": "Ctrl+D",
    "copy to next frame": "Ctrl+F",
    "go to ED": "D",
    "go to ES": "S",
    "set ED": "Alt+D",
    "set ES": "Alt+S",
    "accept slice": "A",
    "accept frame": "Shift+A",
    "undo": "Ctrl+Z",
    "redo": "Ctrl+Shift+Z",
}
"""Key of each action while the contours are selected; the preferences in ``napari.yaml`` have the same."""

_WHERE_TO_CHANGE = "Change it under File > Preferences"


def usable_keys(chosen: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Return the key of each action, and what is wrong with the chosen ones.

    Keys that are not valid, or that two actions share, become the default again.

    Parameters
    ----------
    chosen : Mapping of str to str
        Key by action; an empty one means no key, and those that are missing are the default.
    """
    keys, problems = dict(DEFAULT_KEYS), []
    for name, default in DEFAULT_KEYS.items():
        text = chosen.get(name, default).strip()
        key = _normal(text) if text else ""
        if key is None:
            what = f"'{text}' is no key, so {default} acts"
            problems.append(Problem.warning(name, what, f"{_WHERE_TO_CHANGE}, for example to Ctrl+E."))
        else:
            keys[name] = key
    # A default that comes back can itself be taken; defaults differ, so this ends.
    while shared := _shared(keys):
        for name in shared:
            what = f"its key {keys[name]} has another action, so {DEFAULT_KEYS[name]} acts"
            problems.append(Problem.warning(name, what, f"{_WHERE_TO_CHANGE}."))
            keys[name] = DEFAULT_KEYS[name]
    return {name: key for name, key in keys.items() if key}, problems


def _shared(keys: Mapping[str, str]) -> list[str]:
    """Return the actions with a key that is not their default and that another action has, too."""
    counts = Counter(key for key in keys.values() if key)
    return [name for name, key in keys.items() if counts[key] > 1 and key != DEFAULT_KEYS[name]]


def _normal(text: str) -> str | None:
    """Return a key such as ``ctrl-e`` as napari writes it, Ctrl+E, or None if it is none."""
    from napari.utils.key_bindings import coerce_keybinding

    try:
        parts = coerce_keybinding(text).parts
    except (ValueError, TypeError):
        return None
    is_key = len(parts) == 1 and bool(str(parts[0].key)) and not parts[0].is_modifier_key()
    return str(parts[0]) if is_key else None
