"""Keys of the contour tools, after the habits of the program Segment."""

from __future__ import annotations

from collections.abc import Mapping

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
    "grow": "Control-E",
    "shrink": "Control-K",
    "copy to base": "Control-U",
    "copy to apex": "Control-D",
    "copy to next frame": "Control-F",
    "go to ED": "D",
    "go to ES": "S",
    "set ED": "Alt-D",
    "set ES": "Alt-S",
    "accept slice": "A",
    "accept frame": "Shift-A",
    "undo": "Control-Z",
    "redo": "Control-Shift-Z",
}
"""Key of each action while the contours are selected, in napari's notation."""


def key_text(key: str) -> str:
    """Return a key as people read it, such as Ctrl+U."""
    return key.replace("Control", "Ctrl").replace("-", "+")
