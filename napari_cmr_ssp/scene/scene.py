"""The only place that touches the viewer: which layers lie in it, and what of the exam is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from cmr_ssp.anatomy import Phase
from cmr_ssp.subjects import same_affine
from numpy.typing import NDArray
from psygnal import Signal

from napari_cmr_ssp.scene.edited_layers import EditedLayers
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.layers import (
    EXAM,
    LayerData,
    image_layer,
    rebuilt_layers,
    record_layers,
    segmentation_layer,
)

if TYPE_CHECKING:
    from cmr_ssp.methods.mim.reconstruct import Reconstruction
    from cmr_ssp.runs import Records

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
    than drawing the image, at every frame that plays. `put_away` names an edited layer that leaves the viewer
    with its exam; it comes back with it. `dropped` carries a cine's layer that napari opened by itself.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer; layers that are not ours are left alone.
    """

    moved = Signal(str)
    put_away = Signal(str)
    dropped = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._parts: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._edited = EditedLayers()
        self._phases: Mapping[int, Phase] = {}
        self._subject = ""
        self._altered = ""
        self._records: Records | None = None
        self._on_theme: Callable[[], None] | None = None
        viewer.dims.events.current_step.connect(self.tell_place)
        viewer.layers.events.inserted.connect(self._notice_dropped)

    def close(self) -> None:
        """Stop listening to the viewer."""
        with suppress(ValueError, TypeError):
            self._viewer.dims.events.current_step.disconnect(self.tell_place)
            self._viewer.layers.events.inserted.disconnect(self._notice_dropped)
            if self._on_theme is not None:
                self._viewer.events.theme.disconnect(self._on_theme)

    @property
    def layers(self) -> list[Any]:
        """All layers: those in the viewer, and edited ones that wait for their exam."""
        return [*self._viewer.layers, *self._edited]

    @property
    def frame(self) -> int:
        """The frame of the exam that is shown."""
        return self._place[0]

    @property
    def slice(self) -> int:
        """The slice of the exam that is shown."""
        return self._place[1]

    @property
    def _place(self) -> tuple[int, int]:
        """Frame and slice; not the sliders' steps, which other layers of the user's may make finer."""
        (image,) = self._ours("image")
        frame, slice_ = image.world_to_data(self._viewer.dims.point)[-4:-2]
        n_frames, n_slices = image.data.shape[:2]
        return min(max(round(frame), 0), n_frames - 1), min(max(round(slice_), 0), n_slices - 1)

    def _go_to(self, frame: int, slice_: int) -> None:
        (image,) = self._ours("image")
        where = image.data_to_world((frame, slice_, 0, 0))
        axis = len(self._viewer.dims.point) - 4
        self._viewer.dims.set_point((axis, axis + 1), (where[-4], where[-3]))

    def show_exam(self, exam: Exam) -> None:
        """Replace what is shown of the last exam; start at end-diastole in the middle of the stack."""
        self._empty(exam)
        subject, grid = exam.subject, exam.stack.grid
        about = exam.metadata
        image = image_layer(exam.pixels, grid, subject.id, **about)
        self._add(image, "image")
        if exam.references:
            labels = exam.reference_labels
            self._add(segmentation_layer(labels, grid, f"{subject.id} reference", **about), "reference")
        for layer in self._edited.give_back(exam.key):
            self._viewer.add_layer(layer)
        self._subject, self._phases = subject.id, exam.phase_frames
        self._altered = "".join(f" · {each}" for each in exam.stack.alterations)
        first = next((frame for frame, phase in self._phases.items() if phase is Phase.ED), 0)
        self._go_to(first, exam.pixels.shape[1] // 2)
        self._viewer.reset_view()
        self._set_pace(exam)
        self.tell_place()

    def take_dropped(self, exam: Exam, layer: Any) -> bool:
        """Show an exam in place of the layer that napari made of it; False where that layer is gone."""
        if layer not in self._viewer.layers:
            return False
        sources = {str(source) for source in exam.stack.sources}
        same = [each for each in self._viewer.layers if sources & set(each.metadata.get("sources", ()))]
        for each in same:
            each.metadata |= {EXAM: exam.key, "cine": exam.fingerprint}
            if each is layer or each.name == f"{exam.subject.id} reference":
                self._take_away(each)
        self.show_exam(exam)
        return True

    def find_dropped(self) -> None:
        """Tell of the newest cine that was opened before this."""
        found = [layer for layer in self._viewer.layers if self._is_dropped(layer)]
        if found:
            self.dropped.emit(found[-1])

    def _notice_dropped(self, event: Any) -> None:
        if self._is_dropped(event.value):
            self.dropped.emit(event.value)
        elif event.value._type_string == "labels":
            self._give_to_exam(event.value)

    def _give_to_exam(self, layer: Any) -> None:
        """Let labels that are opened or begun over the shown exam belong to it, if they lie on its grid."""
        for image in self._ours("image"):
            affine = image.metadata["affine"]
            same = same_affine(layer.metadata.get("affine", affine), affine)
            if same and EXAM not in layer.metadata and layer.data.shape == image.data.shape:
                layer.metadata = {**image.metadata, **layer.metadata}

    def _is_dropped(self, layer: Any) -> bool:
        """Whether a layer is a cine from a file, and neither ours nor a copy of one of ours."""
        is_cine = layer._type_string == "image" and bool(layer.metadata.get("sources"))
        shown = [each.metadata.get(EXAM) for each in self._ours("image")]
        return is_cine and layer not in self._parts and layer.metadata.get(EXAM, "") not in shown

    def clear(self) -> None:
        """Take our layers away; those that somebody edited or copied are kept for their exam."""
        self._empty()
        self.tell_place()

    def _empty(self, coming: Exam | None = None) -> None:
        """Take away what belongs to an exam; tell of edited layers that are not of the next one."""
        self._records = None
        for layer in self._ours("image", "reference", "prediction", "reconstruction"):
            self._take_away(layer)
        for layer in [each for each in self._viewer.layers if EXAM in each.metadata]:
            self._take_away(layer)
            self._edited.keep(layer)
            if coming is None or layer.metadata[EXAM] != coming.key:
                self.put_away.emit(layer.name)

    def is_edited(self, exam: Exam, run: str) -> bool:
        """Whether an edited segmentation of an exam by a run lies in the viewer."""
        ours = self._ours("prediction")
        about = [each.metadata for each in self._viewer.layers if each not in ours]
        return any(each.get(EXAM) == exam.key and each.get("run") == run for each in about)

    def show_prediction(self, exam: Exam, labels: NDArray[np.uint8], run: str, **about: str) -> None:
        """Lay a segmentation of all frames over the exam; the reference is hidden but stays.

        Parameters
        ----------
        exam : Exam
            The one that is shown.
        labels : ndarray of uint8, shape (frame, slice, row, column)
            0 or a `Structure` number.
        run : str
            Who found it.
        **about
            What else the layer shall carry.
        """
        for layer in self._ours("prediction"):
            if layer.metadata.get("run") == run:
                self._take_away(layer)
        grid = exam.stack.grid
        metadata = exam.metadata | {"run": run} | about
        for layer in self._ours("reference", "prediction"):
            layer.visible = False
        self._add(segmentation_layer(labels, grid, f"{exam.subject.id} by {run}", **metadata), "prediction")

    def labels_to_save(self) -> Any | None:
        """Return the labels layer that is chosen in the layer list, else the top visible one, or None."""
        from napari.layers import Labels

        layers = [each for each in self._viewer.layers if isinstance(each, Labels)]
        chosen = self._viewer.layers.selection.active
        seen = [each for each in layers if each.visible]
        return chosen if chosen in layers else seen[-1] if seen else None

    def show_reconstruction(self, exam: Exam, found: Reconstruction) -> None:
        """Show what pretraining saw and rebuilt of one frame, at its place over the cine."""
        for layer in self._ours("reconstruction"):
            self._take_away(layer)
        slice_mm = exam.stack.grid.spacing_mm[0]
        for layer in rebuilt_layers(found, slice_mm):
            self._add(layer, "reconstruction")
        for layer in self._ours("prediction", "reference"):
            layer.visible = False
        self._go_to(found.frame, self.slice)

    def show_records(self, records: Records) -> None:
        """Show the same slices rebuilt over a training, in place of the exam; start at the last record."""
        self.clear()
        for layer in record_layers(records):
            self._add(layer, "reconstruction")
        self._records = records
        axis = len(self._viewer.dims.point) - 4
        self._viewer.dims.set_point((axis, axis + 1), (len(records.updates) - 1, 0))
        self._viewer.reset_view()
        self.tell_place()

    def _recorded_place(self, records: Records) -> str:
        layer = self._ours("reconstruction")[0]
        step, number = (round(at) for at in layer.world_to_data(self._viewer.dims.point)[-4:-2])
        step = min(max(step, 0), len(records.updates) - 1)
        number = min(max(number, 0), len(records.slices.places) - 1)
        subject, frame, slice_ = records.slices.places[number]
        error = records.mean_error[step, number]
        return f"Update {records.updates[step]}: {subject}, frame {frame}, slice {slice_} · error {error:.3f}"

    def show_part(self, name: str) -> None:
        """Show one of the layers of a reconstruction and hide the others."""
        for layer in self._ours("reconstruction"):
            layer.visible = layer.metadata["part"] == name

    def follow_theme(self, use_colour: Callable[[str], None]) -> None:
        """Tell what draws by itself the theme's text colour, now and whenever the theme changes."""
        from napari.utils.theme import get_theme

        def tell() -> None:
            use_colour(get_theme(self._viewer.theme).text.as_hex())

        self._on_theme = tell
        self._viewer.events.theme.connect(tell)
        tell()

    def _add(self, data: LayerData, part: str) -> None:
        from napari.layers import Layer

        layer = Layer.create(*data)
        self._parts[layer] = part
        if hasattr(layer.events, "paint"):
            layer.events.paint.connect(lambda: self._leave_to_user(layer))
        self._viewer.add_layer(layer)

    def _leave_to_user(self, layer: Any) -> None:
        """Note that somebody painted in a layer of ours, which is no longer ours to take away."""
        if self._parts.pop(layer, None) is not None:
            layer.name = f"{layer.name} (edited)"

    def _ours(self, *parts: str) -> list[Any]:
        """Return our layers; a copy is the user's own, and so is a layer from when it was painted in."""
        return [layer for layer in self._viewer.layers if self._parts.get(layer) in parts]

    def _take_away(self, layer: Any) -> None:
        self._viewer.layers.remove(layer)

    def _set_pace(self, exam: Exam) -> None:
        """Let the play button move as the heart does, within what a screen shows."""
        n_frames = len(exam.pixels)
        fps = 1 / exam.stack.frame_spacing_s if exam.stack.frame_spacing_s else n_frames / _BEAT_S
        # napari keeps the pace of a slider in its widget and offers no public way to it.
        with suppress(AttributeError, IndexError):
            slider = self._viewer.window._qt_viewer.dims.slider_widgets[0]
            slider.fps = round(min(max(fps, _SLOWEST_FPS), _FASTEST_FPS))

    def tell_place(self) -> None:
        """Say which subject, frame, phase and slice is shown, or nothing."""
        if self._records is not None and self._ours("reconstruction"):
            self.moved.emit(self._recorded_place(self._records))
            return
        if not self._ours("image"):
            self.moved.emit("")
            return
        frame, slice_ = self._place  # once: this happens at every frame that plays
        phase = self._phases.get(frame)
        mark = f" {phase}" if phase is not None else ""
        self.moved.emit(f"{self._subject}: frame {frame}{mark}, slice {slice_}{self._altered}")
