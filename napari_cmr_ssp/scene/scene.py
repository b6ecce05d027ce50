"""The only place that touches the viewer: which layers lie in it, and what of the exam is shown."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from cmr_ssp.anatomy import Phase
from cmr_ssp.subjects import same_affine
from numpy.typing import NDArray
from psygnal import Signal

from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.edited_layers import EditedLayers
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.layers import (
    EXAM,
    image_layer,
    rebuilt_layers,
    record_layers,
    segmentation_layer,
)
from napari_cmr_ssp.scene.own_layers import OwnLayers
from napari_cmr_ssp.scene.sliders import Sliders

if TYPE_CHECKING:
    from cmr_ssp.editing.contours import Contours
    from cmr_ssp.methods.mim.reconstruct import Reconstruction
    from cmr_ssp.runs import Records


class Viewer(Protocol):
    """What we use of a napari viewer."""

    layers: Any
    dims: Any
    window: Any

    def add_layer(self, layer: Any) -> Any:
        """Add a layer."""

    def reset_view(self) -> None:
        """Fit the camera to all layers."""


class Scene:
    """Shows one exam at a time, with what was found in it.

    `moved` tells which subject, frame, phase and slice is shown. Not as text over the canvas: that costs more
    than drawing the image, at every frame that plays. `put_away` names an edited layer that leaves the viewer
    with its exam; it comes back with it. `emptied` tells that nothing of an exam or of records is shown any
    longer. `dropped` carries a cine's layer that napari opened by itself. `layers_changed` tells that another
    set of layers is in the viewer.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer; layers that are not ours are left alone.
    """

    moved = Signal(str)
    put_away = Signal(str)
    emptied = Signal()
    dropped = Signal(object)  # a napari layer: importing its type takes a second
    layers_changed = Signal()
    stepped = Signal(int, int)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._own, self._sliders = OwnLayers(viewer), Sliders(viewer)
        self._edited = EditedLayers()
        self._phases: Mapping[int, Phase] = {}
        self._subject = ""
        self._altered = ""
        self._records: Records | None = None
        self._contours: WeakKeyDictionary[Any, ContourLayer] = WeakKeyDictionary()
        viewer.dims.events.current_step.connect(self.tell_place)
        viewer.layers.events.inserted.connect(self._notice_dropped)
        viewer.layers.events.inserted.connect(self._tell_layers)
        viewer.layers.events.removed.connect(self._tell_layers)

    def close(self) -> None:
        """Stop listening to the viewer."""
        with suppress(ValueError, TypeError):
            self._viewer.dims.events.current_step.disconnect(self.tell_place)
            self._viewer.layers.events.inserted.disconnect(self._notice_dropped)
            self._viewer.layers.events.inserted.disconnect(self._tell_layers)
            self._viewer.layers.events.removed.disconnect(self._tell_layers)

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
        (image,) = self._own.of("image")
        return self._sliders.place_in(image)

    def go_to(self, frame: int, slice_: int) -> None:
        """Show a frame and slice of the exam."""
        (image,) = self._own.of("image")
        self._sliders.go_to(image, frame, slice_)

    def show_exam(self, exam: Exam) -> None:
        """Replace what is shown of the last exam; start at end-diastole in the middle of the stack."""
        self._empty(exam)
        subject, grid = exam.subject, exam.stack.grid
        about = exam.metadata
        image = image_layer(exam.pixels, grid, subject.id, **about)
        self._own.add(image, "image")
        if exam.references:
            labels = exam.reference_labels
            self._own.add(segmentation_layer(labels, grid, f"{subject.id} reference", **about), "reference")
        for layer in self._edited.give_back(exam.key):
            self._viewer.add_layer(layer)
        self._subject, self._phases = subject.id, exam.phase_frames
        self._altered = "".join(f" · {each}" for each in exam.stack.alterations)
        first = next((frame for frame, phase in self._phases.items() if phase is Phase.ED), 0)
        self.go_to(first, exam.pixels.shape[1] // 2)
        self._viewer.reset_view()
        self._sliders.set_pace(exam)
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
                self._viewer.layers.remove(each)
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
        for image in self._own.of("image"):
            affine = image.metadata["affine"]
            same = same_affine(layer.metadata.get("affine", affine), affine)
            if same and EXAM not in layer.metadata and layer.data.shape == image.data.shape:
                layer.metadata = {**image.metadata, **layer.metadata}

    def _is_dropped(self, layer: Any) -> bool:
        """Whether a layer is a cine from a file, and neither ours nor a copy of one of ours."""
        is_cine = layer._type_string == "image" and bool(layer.metadata.get("sources"))
        shown = [each.metadata.get(EXAM) for each in self._own.of("image")]
        return is_cine and layer not in self._own and layer.metadata.get(EXAM, "") not in shown

    def clear(self) -> None:
        """Take our layers away; those that somebody edited or copied are kept for their exam."""
        self._empty()
        self.tell_place()

    def _empty(self, coming: Exam | None = None) -> None:
        """Take away what belongs to an exam; tell of edited layers that are not of the next one."""
        self._records = None
        self._own.take_away("image", "reference", "prediction", "reconstruction")
        for layer in [each for each in self._viewer.layers if EXAM in each.metadata]:
            self._viewer.layers.remove(layer)
            self._edited.keep(layer)
            if coming is None or layer.metadata[EXAM] != coming.key:
                self.put_away.emit(layer.name)
        self.emptied.emit()

    def is_edited(self, exam: Exam, run: str) -> bool:
        """Whether an edited segmentation of an exam by a run lies in the viewer."""
        ours = self._own.of("prediction")
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
        for layer in self._own.of("prediction"):
            if layer.metadata.get("run") == run:
                self._viewer.layers.remove(layer)
        grid = exam.stack.grid
        metadata = exam.metadata | {"run": run} | about
        self._own.hide("reference", "prediction")
        self._own.add(
            segmentation_layer(labels, grid, f"{exam.subject.id} by {run}", **metadata), "prediction"
        )

    @property
    def contours(self) -> ContourLayer | None:
        """The contours that are corrected in the viewer, if any."""
        found = (self._contours.get(layer) for layer in self._viewer.layers)
        return next((shown for shown in found if shown is not None), None)

    def show_contours(self, exam: Exam, contours: Contours, **about: str) -> ContourLayer:
        """Lay contours to be corrected over the exam and select them; other segmentations are hidden.

        Parameters
        ----------
        exam : Exam
            The one that is shown.
        contours : Contours
            On its grid.
        **about
            What they descend from: `run`, `checkpoint` and `file` of a prediction.
        """
        from napari.layers import Layer

        grid, metadata = exam.stack.grid, exam.metadata | about
        name = f"{exam.subject.id} contours"
        layer = Layer.create(*segmentation_layer(contours.labels, grid, name, **metadata))
        shown = self._contours[layer] = ContourLayer(contours, layer, grid.spacing_mm[1:])
        for each in self._viewer.layers:
            each.visible = each.visible and each._type_string != "labels"
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer
        return shown

    def segmentations(self, exam: Exam) -> list[Any]:
        """Return the labels layers on the grid of an exam, the top one first, without its contours."""
        return [
            each
            for each in reversed(self._viewer.layers)
            if each._type_string == "labels"
            and each.metadata.get(EXAM) == exam.key
            and each.data.shape == exam.pixels.shape
            and each not in self._contours
        ]

    def select(self, layer: Any) -> None:
        """Select a layer, so that tools and keys act on it."""
        self._viewer.layers.selection.active = layer

    def _tell_layers(self, _: object) -> None:
        self.layers_changed.emit()

    def labels_to_save(self) -> Any | None:
        """Return the labels layer that is chosen in the layer list, else the top visible one, or None."""
        from napari.layers import Labels

        layers = [each for each in self._viewer.layers if isinstance(each, Labels)]
        chosen = self._viewer.layers.selection.active
        seen = [each for each in layers if each.visible]
        return chosen if chosen in layers else seen[-1] if seen else None

    def show_reconstruction(self, exam: Exam, found: Reconstruction) -> None:
        """Show what pretraining saw and rebuilt of one frame, at its place over the cine."""
        self._own.take_away("reconstruction")
        slice_mm = exam.stack.grid.spacing_mm[0]
        for layer in rebuilt_layers(found, slice_mm):
            self._own.add(layer, "reconstruction")
        self._own.hide("prediction", "reference")
        self.go_to(found.frame, self.slice)

    def show_records(self, records: Records) -> None:
        """Show the same slices rebuilt over a training, in place of the exam; start at the last record."""
        self.clear()
        for layer in record_layers(records):
            self._own.add(layer, "reconstruction")
        self._records = records
        self._sliders.go_to_step(len(records.updates) - 1)
        self._viewer.reset_view()
        self.tell_place()

    def _recorded_place(self, records: Records) -> str:
        step, number = self._sliders.place_in(self._own.of("reconstruction")[0])
        subject, frame, slice_ = records.slices.places[number]
        error = records.mean_error[step, number]
        return f"Update {records.updates[step]}: {subject}, frame {frame}, slice {slice_} · error {error:.3f}"

    def show_part(self, name: str) -> None:
        """Show one of the layers of a reconstruction and hide the others."""
        for layer in self._own.of("reconstruction"):
            layer.visible = layer.metadata["part"] == name

    def tell_place(self) -> None:
        """Say which subject, frame, phase and slice is shown, or nothing."""
        if self._records is not None and self._own.of("reconstruction"):
            self.moved.emit(self._recorded_place(self._records))
            return
        if not self._own.of("image"):
            self.moved.emit("")
            return
        frame, slice_ = self._place  # once: this happens at every frame that plays
        self.stepped.emit(frame, slice_)
        phase = self._phases.get(frame)
        mark = f" {phase}" if phase is not None else ""
        self.moved.emit(f"{self._subject}: frame {frame}{mark}, slice {slice_}{self._altered}")
