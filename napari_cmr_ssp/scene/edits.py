"""Which labels layers were edited and not saved since."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

_UNSAVED: WeakSet[Any] = WeakSet()
_WATCHED: WeakSet[Any] = WeakSet()


def watch(layer: Any) -> None:
    """Notice from now on when a labels layer is edited; other layers are left alone."""
    if layer not in _WATCHED and hasattr(layer.events, "paint"):
        _WATCHED.add(layer)
        layer.events.paint.connect(lambda: mark(layer))


def mark(layer: Any) -> None:
    """Take note that a layer was edited."""
    _UNSAVED.add(layer)


def forget(data: Any) -> None:
    """Take note that these labels, the array of a layer, were written to a file."""
    for layer in list(_UNSAVED):
        if layer.data is data:
            _UNSAVED.discard(layer)


def unsaved(layers: Any) -> list[Any]:
    """Return those of the layers that were edited and not saved since."""
    return [layer for layer in layers if layer in _UNSAVED]
