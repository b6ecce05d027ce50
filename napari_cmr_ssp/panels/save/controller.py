"""Controller of the Save panel: saves labels as a NIfTI file or as label versions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem

from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.io.saving import Drawing, add_versions
from napari_cmr_ssp.io.writer import show_problems, write_structures
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.layers import EXAM

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.save.view import Choice, SaveView


class SaveController:
    """Lists the ways to save the selected labels layer, and saves it."""

    title: ClassVar[str] = "Save labels"
    area: ClassVar[Area] = Area.CORNER

    def __init__(self, context: Context, view: SaveView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._preferences = context.preferences
        view.opened.connect(self.update_menu)

    @classmethod
    def make(cls, context: Context) -> Self:
        """Create the panel view and its controller."""
        from napari_cmr_ssp.panels.save.view import SaveView

        return cls(context, SaveView())

    def update_menu(self) -> None:
        """Update the choices of the menu."""
        self.view.show_choices(self._choices())

    def ask_for_file(self) -> None:
        """Ask the user for a file and save the labels."""
        layer = self._scene.labels_to_save()
        if layer is None:
            return
        name = f"{layer.metadata.get('subject') or layer.name}_seg.nii.gz"
        chosen = self.view.ask_for_file(self._preferences.now.workspace / name)
        if chosen is not None:
            self.save_file(chosen)

    def save_file(self, path: Path) -> None:
        """Save the labels of all frames as one NIfTI file with the geometry of their cine."""
        layer = self._scene.labels_to_save()
        drawing = Drawing.from_layer(layer)

        def work(*_: object) -> tuple[Path, tuple[Problem, ...]]:
            return write_structures(path, drawing.data, drawing.attributes)

        def on_saved(written: tuple[Path, tuple[Problem, ...]]) -> None:
            file, warnings = written
            show_problems(warnings)
            drawing.forget_edits(layer)
            self.view.show_saved([file], file.parent)

        self._desk.read(Job(f"Save {path.name}", work), on_saved)

    def save_versions(self, frames: Mapping[Phase, int]) -> None:
        """Save frames of the labels as label versions of the displayed exam."""
        exam, cohort = self._session.exam, self._session.cohort
        if exam is None:
            return
        folder = self._preferences.now.workspace / "labels"
        self._session.labels_saving.emit()
        layer, shown = self._scene.labels_to_save(), self._scene.corrections.of(exam)
        is_corrected = shown is not None and shown.layer is layer
        drawing = Drawing.from_layer(layer, shown.contours.states if shown and is_corrected else None)

        def work(*_: object) -> list[Path]:
            return add_versions(folder, cohort, exam, drawing, frames)

        job = Job(f"Save labels of {exam.subject.id}", work)

        def on_saved(files: list[Path]) -> None:
            self.view.show_saved(files, folder)
            if drawing.is_within(frames.values()):
                drawing.forget_edits(layer)
            self._session.labels_kept.emit(exam.subject.id)

        self._desk.read(job, on_saved)

    def _choices(self) -> list[Choice]:
        layer, exam = self._scene.labels_to_save(), self._session.exam
        if layer is None:
            return [("No labels layer", None)]
        as_file: Choice = (f"'{layer.name}' as NIfTI file ...", self.ask_for_file)
        if exam is None or layer.metadata.get(EXAM) != exam.key or layer.data.shape != exam.pixels.shape:
            return [as_file, ("Label versions: open the exam of this layer first", None)]
        versions = self._phases()
        return [as_file, *((text, partial(self.save_versions, frames)) for text, frames in versions)]

    def _phases(self) -> list[tuple[str, Mapping[Phase, int]]]:
        """Return menu texts and frames to save: the labelled phases of the exam, or the displayed frame."""
        known = self._session.phases
        if known:
            which = " and ".join(f"{phase} (frame {frame})" for phase, frame in known.items())
            return [(f"{which} as label version{'s' * (len(known) > 1)}", known)]
        frame = self._scene.frame
        return [(f"Frame {frame} as {phase}, a label version", {phase: frame}) for phase in Phase]
