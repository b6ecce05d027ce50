"""Labels layers with unsaved edits."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

_UNSAVED: WeakSet[Any] = WeakSet()
_WATCHED: WeakSet[Any] = WeakSet()


def watch(layer: Any) -> None:
    """Record edits of a labels layer from now on; ignore other layers."""
    if layer not in _WATCHED and hasattr(layer.events, "paint"):
        _WATCHED.add(layer)
        layer.events.paint.connect(lambda: mark(layer))


def mark(layer: Any) -> None:
    """Record that a layer was edited."""
    _UNSAVED.add(layer)


def forget(data: Any) -> None:
    """Mark the layer with this array as saved."""
    for layer in list(_UNSAVED):
        if layer.data is data:
            _UNSAVED.discard(layer)


def unsaved(layers: Any) -> list[Any]:
    """Return the layers with unsaved edits."""
    return [layer for layer in layers if layer in _UNSAVED]
