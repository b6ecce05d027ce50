"""The viewer's sliders: where in a cine it stands, and how fast it plays."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from napari_cmr_ssp.scene.exams import Exam

_SLOWEST_FPS, _FASTEST_FPS = 5, 30
_BEAT_S = 1.0
"""Duration of a heart beat where the file does not tell the time between frames."""


class Sliders:
    """Reads and moves the first two axes, frame and slice; other layers may have more axes before them.

    Parameters
    ----------
    viewer : Viewer
        Whose.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer

    def place_in(self, layer: Any) -> tuple[int, int]:
        """Return frame and slice of a layer; not the steps, which other layers may make finer."""
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

    def set_pace(self, exam: Exam) -> None:
        """Let the play button move as the heart does, within what a screen shows."""
        n_frames = len(exam.pixels)
        fps = 1 / exam.stack.frame_spacing_s if exam.stack.frame_spacing_s else n_frames / _BEAT_S
        # napari keeps the pace of a slider in its widget and offers no public way to it.
        with suppress(AttributeError, IndexError):
            slider = self._viewer.window._qt_viewer.dims.slider_widgets[0]
            slider.fps = round(min(max(fps, _SLOWEST_FPS), _FASTEST_FPS))

    def _move(self, first: float, second: float) -> None:
        axis = len(self._viewer.dims.point) - 4
        self._viewer.dims.set_point((axis, axis + 1), (first, second))
