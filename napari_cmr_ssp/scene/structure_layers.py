"""The layers of the viewer that show structures, whatever made them, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from psygnal import Signal

from napari_cmr_ssp.scene.corrections import Corrections

FILLED, OUTLINE, HIDDEN = LOOKS = ("filled", "outline", "hidden")
"""How segmentations can be drawn."""


class StructureLayers:
    """Draws all segmentations alike; contours that are being corrected have a look of their own.

    `changed` is emitted when layers come or go, are hidden or shown, or get another look.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer.
    corrections : Corrections
        The contours that are being corrected.

    Attributes
    ----------
    look : str
        One of `LOOKS`.
    """

    changed = Signal()

    def __init__(self, viewer: Any, corrections: Corrections) -> None:
        self._viewer, self._corrections, self.look = viewer, corrections, FILLED
        self._hidden: WeakSet[Any] = WeakSet()
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in self.layers:
            layer.events.visible.connect(self._tell)

    def close(self) -> None:
        """Stop listening to the viewer."""
        events = self._viewer.layers.events
        with suppress(ValueError, TypeError):
            events.inserted.disconnect(self._on_inserted)
            events.removed.disconnect(self._on_removed)

    @property
    def layers(self) -> list[Any]:
        """The labels layers with named structures."""
        return [layer for layer in self._viewer.layers if _shows_structures(layer)]

    @property
    def segmentations(self) -> list[Any]:
        """Those that are not being corrected."""
        return [layer for layer in self.layers if layer not in self._corrections]

    @property
    def are_visible(self) -> bool:
        """Whether structures are in view."""
        return any(layer.visible for layer in self.layers)

    def draw(self, look: str) -> None:
        """Draw all segmentations as one of `LOOKS`."""
        shown = [layer for layer in self.segmentations if layer.visible]
        if look == HIDDEN:
            self.look = look  # first: hiding tells
            self._hidden = WeakSet(shown)
            _set_visible(shown, on=False)
        else:
            before, self.look = self.look, look
            _outline(self.segmentations, on=look == OUTLINE)
            if before == HIDDEN and not shown:
                again = [layer for layer in self.segmentations if layer in self._hidden]
                _set_visible(again or self.segmentations[-1:], on=True)
        self.changed.emit()

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        if not _shows_structures(layer):
            return
        layer.events.visible.connect(self._tell)
        if layer not in self._corrections:
            if self.look == HIDDEN and layer.visible:  # the user asked for it
                self.look = FILLED
            _outline([layer], on=self.look == OUTLINE)
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        if _shows_structures(event.value):
            event.value.events.visible.disconnect(self._tell)
            self.changed.emit()

    def _tell(self, _: object = None) -> None:
        if self.look == HIDDEN and any(layer.visible for layer in self.segmentations):
            self.look = FILLED if not self.segmentations[-1].contour else OUTLINE  # shown in the layer list
        self.changed.emit()


def _shows_structures(layer: Any) -> bool:
    return layer._type_string == "labels" and "structure" in layer.features


def _outline(layers: Iterable[Any], *, on: bool) -> None:
    for layer in layers:
        if bool(layer.contour) is not on:
            layer.contour = int(on)


def _set_visible(layers: Iterable[Any], *, on: bool) -> None:
    for layer in layers:
        layer.visible = on
