"""The segmentation of the shown exam while it is computed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.layers import segmentation_layer
from napari_cmr_ssp.scene.own_layers import OwnLayers
from napari_cmr_ssp.scene.sliders import Sliders

GROWING = "growing"
"""Part of the exam, and name of the mark in the metadata of the layer: it is not finished."""


_CHANGED = ("data", "name", "metadata", "editable", "visible")
"""What a finished segmentation gets back if a new one by the same run is stopped."""


class GrowingSegmentation:
    """Shows the frames that are there so far; neither edited, corrected, measured nor saved.

    Parameters
    ----------
    own : OwnLayers
        The layers of the plugin.
    sliders : Sliders
        The sliders of the viewer.
    """

    def __init__(self, own: OwnLayers, sliders: Sliders) -> None:
        self._own, self._sliders = own, sliders
        self._hidden: list[Any] = []
        self._before: dict[str, Any] = {}

    def show(self, exam: Exam, labels: NDArray[np.uint8], run: str, frames: Collection[int]) -> None:
        """Show labels that another thread still fills.

        Parameters
        ----------
        exam : Exam
            The displayed exam.
        labels : ndarray of uint8, shape (frame, slice, row, column)
            The same array in every call; zero where nothing was segmented yet.
        run : str
            Name of the run.
        frames : collection of int
            Frames with new labels.
        """
        if labels.shape != exam.pixels.shape:  # the file changed since the exam was opened
            return
        layer = next(iter(self._own.find(GROWING)), None)
        if layer is None or layer.data is not labels:
            self._add(exam, labels, run)
        elif self._sliders.place_in(layer)[0] in frames:
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def take(self, run: str) -> Any | None:
        """Return the layer of a run, which is now finished, or None."""
        layer = next((each for each in self._own.find(GROWING) if each.metadata["run"] == run), None)
        self._hidden, self._before = [], {}
        return layer

    def remove(self) -> None:
        """Remove an unfinished segmentation and show again what it hid."""
        growing = self._own.find(GROWING)
        for layer in growing:
            if self._before:
                for name, value in self._before.items():
                    setattr(layer, name, value)
                self._own.assign(layer, "prediction")
            else:
                self._own.remove(GROWING)
        for layer in self._hidden if growing else ():
            layer.visible = True
        self._hidden, self._before = [], {}

    def _add(self, exam: Exam, labels: NDArray[np.uint8], run: str) -> None:
        self.remove()
        hidden = [each for each in self._own.find("reference", "prediction") if each.visible]
        self._hidden = hidden or self._hidden
        self._own.hide("reference", "prediction")
        name = f"{exam.subject.id} by {run} (being segmented)"
        metadata = exam.metadata | {"run": run, GROWING: True}
        earlier = [each for each in self._own.find("prediction") if each.metadata.get("run") == run]
        if not earlier:
            layer = self._own.add(segmentation_layer(labels, exam.stack.grid, name, **metadata), GROWING)
            layer.editable = False
            return
        # It will be replaced: to remove it then, and to add another layer now, would halt the window twice.
        (layer,) = earlier
        self._before = {each: getattr(layer, each) for each in _CHANGED}
        self._before["metadata"] = dict(layer.metadata)  # napari changes it in place
        self._own.assign(layer, GROWING)
        layer.data, layer.name, layer.metadata = labels, name, metadata
        layer.visible, layer.editable = True, False
