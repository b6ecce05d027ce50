"""The layers of ours in a viewer, and which part of an exam each shows."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from napari_cmr_ssp.scene.layers import LayerData


class OwnLayers:
    """Adds layers, and takes away those that are still ours: one that the user paints in is the user's.

    Parameters
    ----------
    viewer : Viewer
        Its other layers are left alone, copies of ours among them.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._parts: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def __contains__(self, layer: object) -> bool:
        return layer in self._parts

    def add(self, data: LayerData, part: str) -> None:
        """Add a layer as a part, such as ``image``."""
        from napari.layers import Layer

        layer = Layer.create(*data)
        self._parts[layer] = part
        if hasattr(layer.events, "paint"):
            layer.events.paint.connect(lambda: self._leave_to_user(layer))
        self._viewer.add_layer(layer)

    def of(self, *parts: str) -> list[Any]:
        """Return the layers of some parts that lie in the viewer."""
        return [layer for layer in self._viewer.layers if self._parts.get(layer) in parts]

    def take_away(self, *parts: str) -> None:
        """Take the layers of some parts out of the viewer."""
        for layer in self.of(*parts):
            self._viewer.layers.remove(layer)

    def hide(self, *parts: str) -> None:
        """Hide the layers of some parts."""
        for layer in self.of(*parts):
            layer.visible = False

    def _leave_to_user(self, layer: Any) -> None:
        """Note that somebody painted in a layer of ours, which is no longer ours to take away."""
        if self._parts.pop(layer, None) is not None:
            layer.name = f"{layer.name} (edited)"
