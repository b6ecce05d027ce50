"""The mouse tools that change contours on the canvas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.contours import Place
from cmr_ssp.editing.outlines import Outline, with_region
from cmr_ssp.editing.push import Push
from cmr_ssp.editing.shapes import Point
from cmr_ssp.files.contours.polygons import fill
from psygnal import Signal

from napari_cmr_ssp.scene.contour_layer import ContourLayer

_NOTCH = 1.15
"""Factor of the radius for each notch of the wheel."""
SMALLEST_MM, LARGEST_MM = 2.0, 60.0
_STRUCTURES = {Outline.ENDO: Structure.LV, Outline.EPI: Structure.MYO, Outline.RV: Structure.RV}


class Tool(StrEnum):
    """What the left mouse button does."""

    LOOK = "look"
    PUSH = "push"
    DRAW = "draw"
    BRUSH = "brush"
    ERASE = "erase"


@dataclass(slots=True)
class ToolSettings:
    """How the tools act.

    Attributes
    ----------
    tool : Tool
        The chosen tool.
    outline : Outline
        What is drawn afresh; the brush paints its structure.
    radius_mm : float
        Of the push tool's disc and of the brush.
    overwrites : bool
        Whether a structure may take pixels from others.
    """

    tool: Tool = Tool.LOOK
    outline: Outline = Outline.ENDO
    radius_mm: float = 12.0
    overwrites: bool = False


class ContourTools:
    """Applies the chosen tool to the contours that are shown.

    `radius_changed` carries a radius in mm that was chosen by the wheel.
    """

    radius_changed = Signal(float)

    def __init__(self) -> None:
        self.settings = ToolSettings()
        self._shown: ContourLayer | None = None
        self._last_push: Push | None = None

    def use_on(self, shown: ContourLayer | None) -> None:
        """Apply the tools to these contours from now on."""
        if self._shown is not None and self._shown is not shown:
            self._set_mode(Tool.LOOK)
            self._shown.layer.mouse_drag_callbacks.remove(self._drag)
            self._shown.layer.mouse_wheel_callbacks.remove(self._wheel)
            self._shown, self._last_push = None, None
        if shown is not None and self._shown is None:
            shown.layer.mouse_drag_callbacks.append(self._drag)
            shown.layer.mouse_wheel_callbacks.append(self._wheel)
            self._shown = shown
        self.apply()

    def apply(self) -> None:
        """Make the layer behave as the settings say."""
        if self._shown is not None:
            self._set_mode(self.settings.tool)

    def _set_mode(self, tool: Tool) -> None:
        if self._shown is None:
            return
        layer, settings = self._shown.layer, self.settings
        layer.mode = {Tool.BRUSH: "paint", Tool.ERASE: "erase"}.get(tool, "pan_zoom")
        layer.n_edit_dimensions = 2
        layer.preserve_labels = not settings.overwrites
        layer.selected_label = int(_STRUCTURES[settings.outline])
        layer.brush_size = max(1, round(2 * settings.radius_mm / float(np.mean(self._shown.spacing_mm))))
        if tool in (Tool.PUSH, Tool.DRAW):
            layer.mouse_pan = False
            layer.cursor = "circle" if tool is Tool.PUSH else "cross"
            layer.cursor_size = 2 * settings.radius_mm
        elif tool is Tool.LOOK:  # napari leaves both as they are if the mode stays
            layer.mouse_pan, layer.cursor = True, "standard"

    def _drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from pressing its left button to releasing it."""
        tool, shown = self.settings.tool, self._shown
        if shown is None or event.button != 1 or tool not in (Tool.PUSH, Tool.DRAW):
            return
        if len(event.dims_displayed) != 2:
            return
        place, point = _where(layer, event)
        if place is not None:
            yield from (self._push if tool is Tool.PUSH else self._draw)(shown, place, point, event)

    def _push(self, shown: ContourLayer, place: Place, point: Point, event: Any) -> Iterator[None]:
        settings, plane = self.settings, shown.contours.plane(place)
        push = Push.begin(plane, point, settings.radius_mm, shown.spacing_mm, last=self._last_push)
        yield
        while push is None and event.type == "mouse_move":  # until the disc touches a contour
            moved_to = _where(shown.layer, event)[1]
            found = Push.begin_on_way(plane, point, moved_to, settings.radius_mm, shown.spacing_mm)
            push, point = (None, moved_to) if found is None else found
            if push is None:
                yield
        if push is None:
            return
        self._last_push = push
        while event.type == "mouse_move":
            _, moved_to = _where(shown.layer, event)
            plane = push.move(plane, point, moved_to, overwrite=settings.overwrites)
            point = moved_to
            shown.preview(place, plane)
            yield
        shown.preview(place, push.end(plane, overwrite=settings.overwrites))
        shown.commit(place)

    def _draw(self, shown: ContourLayer, place: Place, point: Point, event: Any) -> Iterator[None]:
        before, points = shown.contours.plane(place), [point]
        outline, overwrites = self.settings.outline, self.settings.overwrites
        yield
        while event.type == "mouse_move":
            points.append(_where(shown.layer, event)[1])
            polygon = np.array(points)[:, ::-1]  # `fill` takes column and row
            region = fill(polygon, (before.shape[0], before.shape[1]))
            if region.any():
                shown.preview(place, with_region(before, outline, region, overwrite=overwrites))
            yield
        shown.commit(place)

    def _wheel(self, _: Any, event: Any) -> None:
        """Change the radius with Alt and the wheel."""
        if "Alt" not in event.modifiers or self.settings.tool is Tool.LOOK:
            return
        turned = sum(event.delta)  # some systems turn Alt and the wheel sideways
        radius = self.settings.radius_mm * _NOTCH ** (1 if turned > 0 else -1)
        self.settings.radius_mm = min(max(radius, SMALLEST_MM), LARGEST_MM)
        self.apply()
        self.radius_changed.emit(self.settings.radius_mm)
        event.handled = True


def _where(layer: Any, event: Any) -> tuple[Place | None, Point]:
    """Return frame and slice, None outside the cine, and row and column of the mouse."""
    frame, slice_, row, column = layer.world_to_data(event.position)
    place = round(frame), round(slice_)
    is_inside = all(0 <= at < size for at, size in zip(place, layer.data.shape[:2], strict=True))
    return (place if is_inside else None), (float(row), float(column))
