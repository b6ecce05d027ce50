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
        self._hidden = []
        return layer

    def remove(self) -> None:
        """Remove an unfinished segmentation and show again what it hid."""
        if self._own.find(GROWING):
            self._own.remove(GROWING)
            for layer in self._hidden:
                layer.visible = True
        self._hidden = []

    def _add(self, exam: Exam, labels: NDArray[np.uint8], run: str) -> None:
        self._own.remove(GROWING)
        hidden = [each for each in self._own.find("reference", "prediction") if each.visible]
        self._hidden = hidden or self._hidden
        self._own.hide("reference", "prediction")
        name = f"{exam.subject.id} by {run} (being segmented)"
        metadata = exam.metadata | {"run": run, GROWING: True}
        layer = self._own.add(segmentation_layer(labels, exam.stack.grid, name, **metadata), GROWING)
        layer.editable = False
