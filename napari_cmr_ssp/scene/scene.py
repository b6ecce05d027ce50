"""The layers in the viewer, and the displayed place of the exam."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from cmr_ssp.anatomy import Phase
from cmr_ssp.subjects import same_affine
from numpy.typing import NDArray
from psygnal import Signal

from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.canvas import GraphicsContext
from napari_cmr_ssp.scene.comparison import Comparison
from napari_cmr_ssp.scene.corrections import Corrections
from napari_cmr_ssp.scene.edited_layers import EditedLayers
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.growing import GROWING, GrowingSegmentation
from napari_cmr_ssp.scene.layers import (
    EXAM,
    image_layer,
    reconstruction_layers,
    record_layers,
    record_text,
    segmentation_layer,
)
from napari_cmr_ssp.scene.own_layers import OwnLayers
from napari_cmr_ssp.scene.sliders import Sliders
from napari_cmr_ssp.scene.structure_layers import StructureLayers

if TYPE_CHECKING:
    from cmr_ssp.methods.mim.reconstruct import Reconstruction
    from cmr_ssp.runs import Records


class Viewer(Protocol):
    """The parts of a napari viewer that the plugin uses."""

    layers: Any
    dims: Any
    window: Any

    def add_layer(self, layer: Any) -> Any:
        """Add a layer."""

    def reset_view(self) -> None:
        """Fit the camera to all layers."""


class Scene:
    """Shows one exam at a time, with segmentations and reconstructions.

    Signals: `place_changed` has a text with subject, frame, phase and slice, which is not shown on the canvas
    because that would slow down playback. `layer_stored` has the name of an edited layer that was removed
    with its exam and returns with it. `cleared` is emitted when the layers of exam or records are removed.
    `dropped` has the layer of a cine that napari opened, for example from a dropped file. `stepped` has the
    frame and slice that are shown.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer; layers of other origin are not changed.
    """

    place_changed = Signal(str)
    layer_stored = Signal(str)
    cleared = Signal()
    dropped = Signal(object)  # a napari layer: importing its type takes a second
    stepped = Signal(int, int)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._own, self._sliders = OwnLayers(viewer), Sliders(viewer)
        self._edited = EditedLayers()
        self.growing = GrowingSegmentation(self._own, self._sliders)
        self._context = GraphicsContext(viewer)
        self.corrections = Corrections(viewer)
        self.comparison = Comparison(viewer, self._own, self.corrections)
        self.structures = StructureLayers(viewer, self.corrections)
        self._phases: Mapping[int, Phase] = {}
        self._subject = ""
        self._alterations = ""
        self._records: Records | None = None
        viewer.dims.events.current_step.connect(self.emit_place)
        viewer.layers.events.inserted.connect(self._on_inserted)

    def close(self) -> None:
        """Stop listening to the viewer."""
        self.comparison.close()
        self.corrections.close()
        self.structures.close()
        with suppress(ValueError, TypeError):
            self._viewer.dims.events.current_step.disconnect(self.emit_place)
            self._viewer.layers.events.inserted.disconnect(self._on_inserted)

    @property
    def layers(self) -> list[Any]:
        """All layers: those in the viewer, and edited ones of other exams."""
        return [*self._viewer.layers, *self._edited]

    @property
    def frame(self) -> int:
        """The displayed frame of the exam."""
        return self._place[0]

    @property
    def slice(self) -> int:
        """The displayed slice of the exam."""
        return self._place[1]

    @property
    def place(self) -> tuple[int, int] | None:
        """The displayed frame and slice of the exam; None if its image is not in the viewer."""
        return self._place if self._own.find("image") else None

    @property
    def _place(self) -> tuple[int, int]:
        images = self._own.find("image")  # none if the user removed it
        return self._sliders.place_in(images[0]) if images else (0, 0)

    def show_phases(self, phases: Mapping[Phase, int]) -> None:
        """Name these frames of the shown exam ED and ES."""
        self._phases = {frame: phase for phase, frame in phases.items()}
        self.emit_place()

    def go_to(self, frame: int, slice_: int) -> None:
        """Show a frame and slice of the exam."""
        for image in self._own.find("image"):
            self._sliders.go_to(image, frame, slice_)

    def show_exam(self, exam: Exam) -> None:
        """Replace the layers of the last exam; start at end diastole in the middle of the stack."""
        self._remove_exam(exam)
        subject, grid = exam.subject, exam.stack.grid
        about = exam.metadata
        self._own.renew(image_layer(exam.pixels, grid, subject.id, **about), "image")
        if exam.references:
            name = f"{subject.id} reference"
            self._own.renew(segmentation_layer(exam.reference_labels, grid, name, **about), "reference")
        else:
            self._own.remove("reference")
        for layer in self._edited.pop(exam.key):
            self._viewer.add_layer(layer)
        self._subject, self._phases = subject.id, exam.phase_frames
        self._alterations = "".join(f" · {each}" for each in exam.stack.alterations)
        first = next((frame for frame, phase in self._phases.items() if phase is Phase.ED), 0)
        self.go_to(first, exam.pixels.shape[1] // 2)
        self._viewer.reset_view()
        self._sliders.set_speed(exam)
        self.emit_place()
        self.corrections.layers_changed.emit()

    def replace_dropped(self, exam: Exam, layer: Any) -> bool:
        """Replace a layer that napari opened by its exam; return False if the layer was removed."""
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
        """Emit `dropped` for the newest cine that is already in the viewer."""
        found = [layer for layer in self._viewer.layers if self._is_dropped(layer)]
        if found:
            self.dropped.emit(found[-1])

    def _on_inserted(self, event: Any) -> None:
        if self._is_dropped(event.value):
            self.dropped.emit(event.value)
        elif event.value._type_string == "labels":
            self._assign_to_exam(event.value)

    def _assign_to_exam(self, layer: Any) -> None:
        """Assign a new labels layer to the displayed exam if it is on the same grid."""
        for image in self._own.find("image"):
            affine = image.metadata["affine"]
            same = same_affine(layer.metadata.get("affine", affine), affine)
            if same and EXAM not in layer.metadata and layer.data.shape == image.data.shape:
                layer.metadata = {**image.metadata, **layer.metadata}

    def _is_dropped(self, layer: Any) -> bool:
        """Whether a layer is a cine from a file that napari opened, and not a copy of the exam."""
        is_cine = layer._type_string == "image" and bool(layer.metadata.get("sources"))
        shown = [each.metadata.get(EXAM) for each in self._own.find("image")]
        return is_cine and layer not in self._own and layer.metadata.get(EXAM, "") not in shown

    def clear(self) -> None:
        """Remove the layers of the exam; edited and copied ones are stored for it."""
        self._remove_exam()
        self.emit_place()

    def _remove_exam(self, following: Exam | None = None) -> None:
        """Remove the layers of the exam, and emit `layer_stored` for edited ones not of the next exam."""
        self._records = None
        self.comparison.hide()
        shared = self._own.find("image", "reference") if following is not None else []
        parts = ("prediction", "reconstruction", GROWING)
        self._own.remove(*parts, *(() if following is not None else ("image", "reference")))
        for layer in [each for each in self._viewer.layers if EXAM in each.metadata and each not in shared]:
            self._viewer.layers.remove(layer)
            self._edited.add(layer)
            returns_now = following is not None and layer.metadata[EXAM] == following.key
            if edits.unsaved([layer]) and not returns_now:
                self.layer_stored.emit(layer.name)
        self.cleared.emit()

    def is_edited(self, exam: Exam, run: str) -> bool:
        """Return whether the viewer has an edited segmentation of an exam by a run."""
        ours = self._own.find("prediction", GROWING)
        about = [each.metadata for each in self._viewer.layers if each not in ours]
        return any(each.get(EXAM) == exam.key and each.get("run") == run for each in about)

    def show_prediction(self, exam: Exam, labels: NDArray[np.uint8], run: str, **about: str) -> None:
        """Show a segmentation of all frames over the exam, and hide the reference.

        Parameters
        ----------
        exam : Exam
            The displayed exam.
        labels : ndarray of uint8, shape (frame, slice, row, column)
            0 or a `Structure` number.
        run : str
            Name of the run.
        **about
            Further metadata of the layer.
        """
        name, metadata = f"{exam.subject.id} by {run}", exam.metadata | {"run": run} | about
        grown = self.growing.take(run)
        look: dict[str, Any] = {}
        for layer in self._own.find("prediction"):
            if layer.metadata.get("run") == run:
                look = {each: getattr(layer, each) for each in ("visible", "opacity")}
                self._viewer.layers.remove(layer)
        self._own.hide("reference", "prediction")
        if grown is None:
            data = segmentation_layer(labels, exam.stack.grid, name, **metadata)
            data[1].update(look)
            self._own.add(data, "prediction")
            return
        # The layer stays: to remove one and add another halts the window for half a second.
        grown.data, grown.name, grown.metadata, grown.editable = labels, name, metadata, True
        self._own.assign(grown, "prediction")
        self.corrections.layers_changed.emit()

    def labels_to_save(self) -> Any | None:
        """Return the labels layer selected in the layer list, otherwise the top visible one, or None."""
        from napari.layers import Labels

        labels = (each for each in self._viewer.layers if isinstance(each, Labels))
        layers = [each for each in labels if GROWING not in each.metadata]
        selected = self._viewer.layers.selection.active
        visible = [each for each in layers if each.visible]
        return selected if selected in layers else visible[-1] if visible else None

    def show_reconstruction(self, exam: Exam, reconstruction: Reconstruction) -> None:
        """Show the reconstruction of one frame over the cine."""
        self._own.remove("reconstruction")
        slice_mm = exam.stack.grid.spacing_mm[0]
        for layer in reconstruction_layers(reconstruction, slice_mm):
            self._own.add(layer, "reconstruction")
        self._own.hide("prediction", "reference")
        self.go_to(reconstruction.frame, self.slice)

    def show_records(self, records: Records) -> None:
        """Show the records of a run instead of the exam, starting at the last record."""
        self.clear()
        for layer in record_layers(records):
            self._own.add(layer, "reconstruction")
        self._records = records
        self._sliders.go_to_step(len(records.updates) - 1)
        self._viewer.reset_view()
        self.emit_place()

    def show_part(self, name: str) -> None:
        """Show one layer of a reconstruction and hide the others."""
        for layer in self._own.find("reconstruction"):
            layer.visible = layer.metadata["part"] == name

    def emit_place(self) -> None:
        """Emit `place_changed` with subject, frame, phase and slice, or an empty text."""
        if self._records is not None and self._own.find("reconstruction"):
            step, number = self._sliders.place_in(self._own.find("reconstruction")[0])
            self.place_changed.emit(record_text(self._records, step, number))
            return
        if not self._own.find("image"):
            self.place_changed.emit("")
            return
        frame, slice_ = self._place  # read once: this runs at every frame of playback
        self.stepped.emit(frame, slice_)
        phase = self._phases.get(frame)
        mark = f" {phase}" if phase is not None else ""
        self.place_changed.emit(f"{self._subject}: frame {frame}{mark}, slice {slice_}{self._alterations}")
