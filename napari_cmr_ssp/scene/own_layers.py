"""Layers that the plugin added to a viewer, each with the part of the exam that it shows."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from napari_cmr_ssp.scene.layers import LayerData


class OwnLayers:
    """Adds and removes layers of the plugin; a layer that the user edits is no longer one of them.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer; its other layers, including copies, are not changed.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._parts: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def __contains__(self, layer: object) -> bool:
        return layer in self._parts

    def add(self, data: LayerData, part: str) -> Any:
        """Add a layer as a part, such as ``image``, and return it."""
        from napari.layers import Layer

        layer = Layer.create(*data)
        self._parts[layer] = part
        if hasattr(layer.events, "paint"):
            layer.events.paint.connect(lambda: self._on_edited(layer))
        self._viewer.add_layer(layer)
        return layer

    def renew(self, data: LayerData, part: str) -> Any:
        """Let the layer of a part show something else, or add it; return it.

        To remove a layer and add another takes napari ten times as long.
        """
        found = self.find(part)
        pixels, about, _ = data
        if len(found) != 1 or found[0].data.ndim != pixels.ndim:
            self.remove(part)
            return self.add(data, part)
        (layer,) = found
        layer.name, layer.metadata = about["name"], about["metadata"]
        layer.data, layer.scale, layer.visible = pixels, about["scale"], True
        if (limits := about.get("contrast_limits")) is not None:
            layer.contrast_limits_range = layer.contrast_limits = limits
        return layer

    def assign(self, layer: Any, part: str) -> None:
        """Make a layer of the plugin another part."""
        self._parts[layer] = part

    def find(self, *parts: str) -> list[Any]:
        """Return the layers of these parts in the viewer."""
        return [layer for layer in self._viewer.layers if self._parts.get(layer) in parts]

    def remove(self, *parts: str) -> None:
        """Remove the layers of these parts from the viewer."""
        for layer in self.find(*parts):
            self._viewer.layers.remove(layer)

    def hide(self, *parts: str) -> None:
        """Hide the layers of these parts."""
        for layer in self.find(*parts):
            layer.visible = False

    def _on_edited(self, layer: Any) -> None:
        """Rename a layer that the user edited, and keep it when parts are removed."""
        if self._parts.pop(layer, None) is not None:
            layer.name = f"{layer.name} (edited)"
