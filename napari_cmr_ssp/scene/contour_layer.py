"""The labels layer of an exam whose contours are corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.contours import Contours, Place
from cmr_ssp.editing.outlines import Plane
from cmr_ssp.editing.states import STRUCTURES, ContourState
from psygnal import Signal

from napari_cmr_ssp.scene import edits


class ContourLayer:
    """Shows `Contours` in the viewer, and makes every change of the layer a step that can be undone.

    `changed` carries the places (frame, slice) of a step, also of one that was undone or redone.

    Parameters
    ----------
    contours : Contours
        The contours; the layer shows their array.
    layer : napari.layers.Labels
        The layer, whose data is `contours.labels`.
    spacing_mm : tuple of float
        Of rows and columns.
    """

    changed = Signal(tuple)

    def __init__(self, contours: Contours, layer: Any, spacing_mm: tuple[float, float]) -> None:
        self.contours, self.layer, self.spacing_mm = contours, layer, spacing_mm
        self._keys: tuple[str, ...] = ()
        layer.events.paint.connect(self._take_strokes)
        layer.events.data.connect(self._take_array)
        edits.watch(layer)

    def change(
        self, planes: Mapping[Place, Plane], state: ContourState = ContourState.ACCEPTED
    ) -> tuple[Place, ...]:
        """Replace slices as one step; see `Contours.change`."""
        return self._tell(self.contours.change(planes, state))

    def preview(self, place: Place, plane: Plane) -> None:
        """Show a slice as it would become, while the mouse moves; `commit` makes it a step."""
        self.contours.labels[place] = plane
        self._refresh()

    def commit(self, place: Place) -> tuple[Place, ...]:
        """Make what was previewed a step."""
        return self._tell(self.contours.notice([place]))

    def accept(
        self, places: Iterable[Place], structures: Iterable[Structure] = STRUCTURES
    ) -> tuple[Place, ...]:
        """Accept slices as they are; see `Contours.accept`."""
        return self._tell(self.contours.accept(places, structures))

    def undo(self) -> tuple[Place, ...]:
        """Undo the last step and return where it changed anything."""
        return self._tell(self.contours.undo())

    def redo(self) -> tuple[Place, ...]:
        """Do the last undone step again and return where."""
        return self._tell(self.contours.redo())

    def bind(self, keys: Mapping[str, Callable[[], object]]) -> None:
        """Call these functions, and no earlier ones, at their keys while this layer is selected."""
        for key in self._keys:
            self.layer.bind_key(key, None)
        for key, act in keys.items():
            self.layer.bind_key(key, lambda _, act=act: act(), overwrite=True)
        self._keys = tuple(keys)

    def _tell(self, places: tuple[Place, ...]) -> tuple[Place, ...]:
        if places:
            self._refresh()
            edits.mark(self.layer)
            self.changed.emit(places)
        return places

    def _refresh(self) -> None:
        self.layer.refresh(extent=False, thumbnail=False, highlight=False)

    def _take_strokes(self, _: object) -> None:
        """Make a stroke of napari's own tools a step."""
        self._tell(self.contours.notice())

    def _take_array(self, _: object) -> None:
        """Make an array that a script put into the layer a step, and show the contours' own again."""
        labels = self.contours.labels
        if self.layer.data is labels or self.layer.data.shape != labels.shape:
            return
        np.copyto(labels, self.layer.data, casting="unsafe")
        with self.layer.events.data.blocker():
            self.layer.data = labels
        self._tell(self.contours.notice())
