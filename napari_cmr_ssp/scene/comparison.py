"""Where two labels layers of an exam differ, as a layer that follows every edit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.contours import Place
from numpy.typing import NDArray
from psygnal import Signal

from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.corrections import Corrections
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.layers import AXES, UNITS, UNKNOWN, LayerData
from napari_cmr_ssp.scene.own_layers import OwnLayers

ONLY_FIRST: Mapping[Structure, str] = dict(zip(Structure, ("#00A35A", "#63CB98", "#B4E8CF"), strict=True))
ONLY_SECOND: Mapping[Structure, str] = dict(zip(Structure, ("#C2189B", "#E26CC9", "#F5B8E8"), strict=True))
BOTH_DIFFER: Mapping[Structure, str] = dict(zip(Structure, ("#3A3AE8", "#7C7CF5", "#B9B9FF"), strict=True))
"""Colours of pixels that are a structure only in the first layer (green), only in the second one (magenta),
or another structure in the second one (blue; the shade is that of the structure in the first). None of them
is a colour of the structures, and no colour vision confuses them."""

_PART = "difference"
_COLOURS = [*ONLY_FIRST.values(), *ONLY_SECOND.values(), *BOTH_DIFFER.values()]
_OPACITY = 0.8


def _table() -> NDArray[np.float32]:
    """Return the number of a colour, from 1, for the structures in both layers; 0 where they agree."""
    n = len(Structure)
    first, second = np.indices((n + 1, n + 1))
    kind = np.where(second == 0, 0, np.where(first == 0, 1, 2))
    number = 1 + kind * n + np.where(first == 0, second, first) - 1
    return np.where(first == second, 0, number).astype(np.float32)


_TABLE = _table()


class Difference:
    """The difference of two labels layers, computed where it is looked at.

    An array for napari, shape (frame, slice, row, column): 0 where both agree, otherwise the number of a
    colour. It stores nothing, so it is never out of date.

    Parameters
    ----------
    first, second : napari.layers.Labels
        Layers of the same shape.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, first: Any, second: Any) -> None:
        self._first, self._second = first, second

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of both layers."""
        return tuple(self._first.data.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        pair = (_structures(each.data[key]) for each in (self._first, self._second))
        return np.asarray(_TABLE[tuple(pair)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float32]:
        del copy
        return self[...].astype(dtype or self.dtype)


class Comparison:
    """Offers the labels layers of an exam to be compared, and shows where two of them differ.

    `edited` is emitted with the frames when one of the compared layers was edited, without any if they are
    unknown, and `layers_changed` when layers were added, removed or renamed.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer.
    own : OwnLayers
        Layers of the plugin; the difference is one of them and is removed with its exam.
    corrections : Corrections
        Contours that are being corrected.
    """

    edited = Signal(tuple)
    layers_changed = Signal()

    def __init__(self, viewer: Any, own: OwnLayers, corrections: Corrections) -> None:
        self._viewer, self._own, self._corrections = viewer, own, corrections
        self._pair: tuple[Any, ...] = ()
        self._named: tuple[Any, ...] = ()
        self._steps: dict[Any, Any] = {}
        corrections.layers_changed.connect(self.layers_changed.emit)
        corrections.changed.connect(self._on_contours)

    def layers(self, exam: Exam | None) -> list[Any]:
        """Return the labels layers on the grid of an exam, its contours first, then the top ones."""
        shown = self._corrections.of(exam)
        contours = [shown.layer] if shown is not None else []
        sources = self._corrections.sources(exam) if exam is not None else []
        found = contours + [each for each in sources if each.metadata.get("numbering") != UNKNOWN]
        self._listen((each.events.name for each in self._named), self._on_renamed, on=False)
        self._named = tuple(found)
        self._listen((each.events.name for each in self._named), self._on_renamed, on=True)
        return found

    def is_contours(self, layer: Any) -> bool:
        """Return whether a layer shows contours that are being corrected."""
        return self._corrections.holds(layer)

    def is_reference(self, layer: Any) -> bool:
        """Return whether a layer shows the references of the exam, which have only the labelled frames."""
        return layer in self._own.find("reference")

    def follow(self, *pair: Any) -> None:
        """Emit `edited` for these layers from now on; for none if none are given."""
        for layers, on in ((self._pair, False), (pair, True)):
            self._listen((each.events.labels_update for each in layers), self._on_edited, on=on)
            self._listen((each.events.set_data for each in layers), self._on_drawn, on=on)
        self._pair = pair
        self._steps = dict.fromkeys(pair, self._viewer.dims.current_step)

    def show(self, exam: Exam, first: Any, second: Any) -> None:
        """Show where two layers differ; the selected layer stays selected, so that its keys act."""
        self.hide()
        selected = self._viewer.layers.selection.active
        self._own.add(_difference_layer(exam, first, second), _PART)
        self._viewer.layers.selection.active = selected

    def hide(self) -> None:
        """Remove the difference from the viewer."""
        self._own.remove(_PART)

    @property
    def is_shown(self) -> bool:
        """Whether a difference is in the viewer."""
        return bool(self._own.find(_PART))

    def close(self) -> None:
        """Stop listening to layers."""
        self.follow()
        self._listen((each.events.name for each in self._named), self._on_renamed, on=False)
        self._named = ()

    def _listen(self, events: Iterable[Any], act: Any, *, on: bool) -> None:
        for event in events:
            if on:
                event.connect(act)
            else:
                event.disconnect(act)

    def _on_renamed(self, _: object = None) -> None:
        self.layers_changed.emit()

    def _on_drawn(self, event: Any) -> None:
        """Take note that a layer is drawn again: because of an edit, unless another place is shown.

        napari has no event for an edit that its own undo takes back.
        """
        layer, step = event.source, self._viewer.dims.current_step
        if self._steps.get(layer) == step and self.is_contours(layer):
            self._refresh()  # the place is known when the step is done
        elif self._steps.get(layer) == step:
            self._on_edited()
        self._steps[layer] = step

    def _on_contours(self, shown: ContourLayer, places: tuple[Place, ...]) -> None:
        """Take note of a step of contours, which can be hidden."""
        if shown.layer in self._pair:
            if not shown.layer.visible:
                self._refresh()
            self.edited.emit(tuple({frame for frame, _ in places}))

    def _on_edited(self, _: object = None) -> None:
        self._refresh()
        self.edited.emit(())

    def _refresh(self) -> None:
        for layer in self._own.find(_PART):
            layer.refresh(extent=False, thumbnail=False, highlight=False)


def _structures(labels: Any) -> NDArray[np.intp]:
    """Return labels as indices of `_TABLE`; numbers that are no structure count as background."""
    numbers = np.asarray(labels)
    return np.where((numbers > 0) & (numbers <= max(Structure)), numbers, 0).astype(np.intp)


def _difference_layer(exam: Exam, first: Any, second: Any) -> LayerData:
    """Return the difference as an image, which no command saves as labels and no tool paints on."""
    from napari.utils.colormaps import Colormap
    from napari.utils.colormaps.standardize_color import transform_color

    colours = np.vstack([np.zeros((1, 4)), transform_color(_COLOURS)])
    n = len(colours)
    look = {
        "name": f"Difference: {first.name} | {second.name}",
        "axis_labels": AXES,
        "scale": (1.0, *exam.stack.grid.spacing_mm),
        "units": UNITS,
        "rgb": False,
        "colormap": Colormap(
            colours, name="difference", interpolation="zero", controls=np.linspace(0, 1, n + 1)
        ),
        "contrast_limits": (-0.5, n - 0.5),  # the middle of each colour is a whole number
        "opacity": _OPACITY,
        "blending": "translucent",
        "metadata": {"part": _PART},
    }
    return Difference(first, second), look, "image"
