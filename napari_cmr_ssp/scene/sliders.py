"""The sliders of the viewer: position in a cine and playback speed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from napari_cmr_ssp.scene.exams import Exam

_SLOWEST_FPS, _FASTEST_FPS = 5, 30
_BEAT_S = 1.0
"""Duration of a heartbeat if the file does not contain the time between frames."""


class Sliders:
    """Reads and moves the axes frame and slice; other layers can have additional axes before them.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer

    def place_in(self, layer: Any) -> tuple[int, int]:
        """Return frame and slice of a layer; slider steps can be finer because of other layers."""
        frame, slice_ = layer.world_to_data(self._viewer.dims.point)[-4:-2]
        n_frames, n_slices = layer.data.shape[:2]
        return min(max(round(frame), 0), n_frames - 1), min(max(round(slice_), 0), n_slices - 1)

    def go_to(self, layer: Any, frame: int, slice_: int) -> None:
        """Show a frame and slice of a layer."""
        where = layer.data_to_world((frame, slice_, 0, 0))
        self._move(where[-4], where[-3])

    def go_to_step(self, step: int) -> None:
        """Show a step of the first axis, at the first step of the second."""
        self._move(step, 0)

    def set_speed(self, exam: Exam) -> None:
        """Set the playback speed to that of the heart, within the limits of a screen."""
        n_frames = len(exam.pixels)
        fps = 1 / exam.stack.frame_spacing_s if exam.stack.frame_spacing_s else n_frames / _BEAT_S
        # napari has no public access to the playback speed of a slider.
        with suppress(AttributeError, IndexError):
            slider = self._viewer.window._qt_viewer.dims.slider_widgets[0]
            slider.fps = round(min(max(fps, _SLOWEST_FPS), _FASTEST_FPS))

    def _move(self, first: float, second: float) -> None:
        axis = len(self._viewer.dims.point) - 4
        self._viewer.dims.set_point((axis, axis + 1), (first, second))
