"""The contours that are corrected in a viewer, and what they can start from."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.growing import GROWING
from napari_cmr_ssp.scene.layers import EXAM, segmentation_layer

if TYPE_CHECKING:
    from cmr_ssp.editing.contours import Contours


class Corrections:
    """Knows which labels layers of a viewer are contours that are being corrected.

    `layers_changed` is emitted when a layer was added to the viewer or removed from it, `changed` with the
    contours and the places (frame, slice) of each step.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer.
    """

    layers_changed = Signal()
    changed = Signal(ContourLayer, tuple)

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._shown: WeakKeyDictionary[Any, ContourLayer] = WeakKeyDictionary()
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._on_layers)

    def __contains__(self, layer: object) -> bool:
        return layer in self._shown

    def close(self) -> None:
        """Stop listening to the viewer."""
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            with suppress(ValueError, TypeError):
                event.disconnect(self._on_layers)

    def of(self, exam: Exam | None) -> ContourLayer | None:
        """Return the contours of an exam in the viewer; those of other exams return with their exam."""
        found = (self._shown.get(layer) for layer in self._viewer.layers)
        key = exam.key if exam is not None else None
        return next((each for each in found if each is not None and each.layer.metadata[EXAM] == key), None)

    def holds(self, layer: Any) -> bool:
        """Return whether a layer shows contours that are being corrected."""
        return layer in self._shown

    def show(self, exam: Exam, contours: Contours, **about: str) -> ContourLayer:
        """Lay contours over the exam and select them; other segmentations are hidden.

        Parameters
        ----------
        exam : Exam
            The shown exam.
        contours : Contours
            On its grid.
        **about
            What they descend from: `run`, `checkpoint` and `file` of a prediction.
        """
        from napari.layers import Layer

        grid, metadata = exam.stack.grid, exam.metadata | about
        name = f"{exam.subject.id} contours"
        layer = Layer.create(*segmentation_layer(contours.labels, grid, name, **metadata))
        shown = self._shown[layer] = ContourLayer(contours, layer, grid.spacing_mm[1:])
        shown.changed.connect(lambda places: self.changed.emit(shown, places))
        for each in self._viewer.layers:
            each.visible = each.visible and each._type_string != "labels"
        self._viewer.add_layer(layer)
        self.select(shown)
        return shown

    def select(self, shown: ContourLayer) -> None:
        """Select contours in the layer list, so that tools and keys act on them."""
        self._viewer.layers.selection.active = shown.layer

    def sources(self, exam: Exam) -> list[Any]:
        """Return the labels layers on the grid of an exam, the top one first, without its contours."""
        return [
            each
            for each in reversed(self._viewer.layers)
            if each._type_string == "labels"
            and each.metadata.get(EXAM) == exam.key
            and each.data.shape == exam.pixels.shape
            and GROWING not in each.metadata
            and each not in self._shown
        ]

    def over(self, layer: Any) -> str:
        """Return the name of the top visible labels layer if it lies over a layer, otherwise nothing."""
        visible = [each for each in self._viewer.layers if each.visible and each._type_string == "labels"]
        return str(visible[-1].name) if visible and visible[-1] is not layer else ""

    def _on_layers(self, _: object) -> None:
        self.layers_changed.emit()
