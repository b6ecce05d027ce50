"""The graphics context of a viewer's canvas."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


class GraphicsContext:
    """Makes the context of a viewer the current one whenever a layer is about to be removed.

    napari frees the buffers of a removed layer in whatever context is current. With a second viewer that can
    be the other one, whose own buffers of the same numbers are freed: its canvas stops drawing. A closing
    window removes its layers, too, so this listens to the end.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        viewer.layers.events.removing.connect(self._make_current)

    def _make_current(self, _: object) -> None:
        # napari has no public access to its canvas; while a window closes, it is gone.
        with suppress(AttributeError, RuntimeError):
            self._viewer.window._qt_viewer.canvas._scene_canvas.set_current()
