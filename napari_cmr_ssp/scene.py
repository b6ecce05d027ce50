"""The only place that touches the viewer: which layers lie in it, and what of the exam is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from cmr_ssp.anatomy import Phase
from numpy.typing import NDArray
from psygnal import Signal

from napari_cmr_ssp.exams import Exam
from napari_cmr_ssp.layers import LayerData, image_layer, rebuilt_layers, segmentation_layer, source_metadata

if TYPE_CHECKING:
    from cmr_ssp.prediction import Reconstruction

_OURS = "cmr_ssp_part"
"""Key in a layer's metadata that tells our layers from the user's own."""

_SLOWEST_FPS, _FASTEST_FPS = 5, 30
_BEAT_S = 1.0
"""Duration of a heart beat where the file does not tell the time between frames."""


class Viewer(Protocol):
    """What we use of a napari viewer."""

    layers: Any
    dims: Any
    window: Any
    events: Any
    theme: str

    def add_layer(self, layer: Any) -> Any:
        """Add a layer."""

    def reset_view(self) -> None:
        """Fit the camera to all layers."""


class Scene:
    """Shows one exam at a time, with what was found in it.

    `moved` tells which subject, frame, phase and slice is shown. Not as text over the canvas: that costs more
    than drawing the image, at every frame that plays.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer; layers that are not ours are left alone.
    """

    moved = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._phases: Mapping[int, Phase] = {}
        self._subject = ""
        viewer.dims.events.current_step.connect(self._tell_place)

    def close(self) -> None:
        """Stop listening to the viewer."""
        with suppress(ValueError):
            self._viewer.dims.events.current_step.disconnect(self._tell_place)

    @property
    def frame(self) -> int:
        """The frame that is shown."""
        return int(self._viewer.dims.current_step[0])

    @property
    def slice(self) -> int:
        """The slice that is shown."""
        return int(self._viewer.dims.current_step[1])

    def show_exam(self, exam: Exam) -> None:
        """Replace what is shown of the last exam; start at end-diastole in the middle of the stack."""
        self._remove("image", "reference", "prediction", "reconstruction")
        subject, grid = exam.subject, exam.stack.grid
        about = source_metadata(grid, exam.stack.sources) | {"subject": subject.id}
        frame_spacing_s = exam.stack.frame_spacing_s
        image = image_layer(exam.pixels, grid, subject.id, frame_spacing_s=frame_spacing_s, **about)
        self._add(image, "image")
        if exam.references:
            labels = exam.reference_labels
            self._add(segmentation_layer(labels, grid, f"{subject.id} reference", **about), "reference")
        self._subject, self._phases = subject.id, exam.phase_frames
        first = next((frame for frame, phase in self._phases.items() if phase is Phase.ED), 0)
        self._viewer.dims.set_current_step((0, 1), (first, exam.pixels.shape[1] // 2))
        self._viewer.reset_view()
        self._set_pace(exam)
        self._tell_place()

    def show_prediction(self, exam: Exam, labels: NDArray[np.uint8], run: str) -> None:
        """Lay a segmentation of all frames over the exam; the reference is hidden but stays.

        Parameters
        ----------
        exam : Exam
            The one that is shown.
        labels : ndarray of uint8, shape (frame, slice, row, column)
            0 or a `Structure` number.
        run : str
            Who found it.
        """
        self._remove("prediction", run=run)
        grid = exam.stack.grid
        about = source_metadata(grid, exam.stack.sources) | {"subject": exam.subject.id, "run": run}
        for layer in self._ours("reference", "prediction"):
            layer.visible = False
        self._add(segmentation_layer(labels, grid, f"{exam.subject.id} by {run}", **about), "prediction")

    def show_reconstruction(self, exam: Exam, found: Reconstruction) -> None:
        """Show what pretraining saw and rebuilt of one frame, at its place over the cine."""
        self._remove("reconstruction")
        slice_mm = exam.stack.grid.spacing_mm[0]
        for layer in rebuilt_layers(found, slice_mm):
            self._add(layer, "reconstruction")
        for layer in self._ours("prediction", "reference"):
            layer.visible = False
        self._viewer.dims.set_current_step(0, found.frame)

    def show_part(self, name: str) -> None:
        """Show one of the layers of a reconstruction and hide the others."""
        for layer in self._ours("reconstruction"):
            layer.visible = layer.name == name

    def follow_theme(self, use_colour: Callable[[str], None]) -> None:
        """Tell what draws by itself the theme's text colour, now and whenever the theme changes."""
        from napari.utils.theme import get_theme

        def tell() -> None:
            use_colour(get_theme(self._viewer.theme).text.as_hex())

        self._viewer.events.theme.connect(tell)
        tell()

    def _add(self, data: LayerData, part: str) -> None:
        from napari.layers import Layer

        layer = Layer.create(*data)
        layer.metadata[_OURS] = part
        self._viewer.add_layer(layer)

    def _ours(self, *parts: str) -> list[Any]:
        return [layer for layer in self._viewer.layers if layer.metadata.get(_OURS) in parts]

    def _remove(self, *parts: str, run: str | None = None) -> None:
        for layer in self._ours(*parts):
            if run is None or layer.metadata.get("run") == run:
                self._viewer.layers.remove(layer)

    def _set_pace(self, exam: Exam) -> None:
        """Let the play button move as the heart does, within what a screen shows."""
        n_frames = len(exam.pixels)
        fps = 1 / exam.stack.frame_spacing_s if exam.stack.frame_spacing_s else n_frames / _BEAT_S
        # napari keeps the pace of a slider in its widget and offers no public way to it.
        with suppress(AttributeError, IndexError):
            slider = self._viewer.window._qt_viewer.dims.slider_widgets[0]
            slider.fps = round(min(max(fps, _SLOWEST_FPS), _FASTEST_FPS))

    def _tell_place(self) -> None:
        if self._subject:
            phase = self._phases.get(self.frame)
            mark = f" {phase}" if phase is not None else ""
            self.moved.emit(f"{self._subject}: frame {self.frame}{mark}, slice {self.slice}")
