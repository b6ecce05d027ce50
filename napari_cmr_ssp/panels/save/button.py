"""Saves the labels that somebody edited: as a NIfTI file, or as label versions of the shown exam."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from napari_cmr_ssp.io.palette import NIFTI_FILTER
from napari_cmr_ssp.io.saving import Drawing, add_versions
from napari_cmr_ssp.io.writer import show_problems, write_structures
from napari_cmr_ssp.jobs.desk import JobDesk
from napari_cmr_ssp.jobs.worker import Job
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.layers import EXAM
from napari_cmr_ssp.scene.scene import Scene
from napari_cmr_ssp.session import Session


class SaveButton(QPushButton):
    """A button with a menu: what can be done with the labels that are chosen in the layer list.

    Parameters
    ----------
    session : Session
        Knows the shown exam and its phases.
    scene : Scene
        Knows the layers.
    desk : JobDesk
        Writes in the background.
    workspace : callable
        Returns the folder that gets ``labels``, the label versions.
    """

    def __init__(
        self,
        session: Session,
        scene: Scene,
        desk: JobDesk,
        workspace: Callable[[], Path],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Save labels", parent)
        self._session, self._scene, self._desk, self._workspace = session, scene, desk, workspace
        self.setToolTip("Save the labels layer that is chosen in the layer list, else the top one")
        self.choices = QMenu(self)
        self.choices.aboutToShow.connect(self.offer)
        self.setMenu(self.choices)

    def offer(self) -> None:
        """Fill the menu with what can be done now."""
        self.choices.clear()
        layer, exam = self._scene.labels_to_save(), self._session.exam
        if layer is None:
            self._say("There is no labels layer")
            return
        self.choices.addAction(f"'{layer.name}' as NIfTI file ...", self.ask_for_file)
        if exam is None or layer.metadata.get(EXAM) != exam.key or layer.data.shape != exam.pixels.shape:
            self._say("Label versions: show the exam that was drawn on")
            return
        for text, frames in self._phases(exam):
            self.choices.addAction(text, lambda frames=frames: self.save_versions(frames))

    def ask_for_file(self) -> None:
        """Let the user choose a file, and write it."""
        layer = self._scene.labels_to_save()
        if layer is None:
            return
        name = f"{layer.metadata.get('subject') or layer.name}_seg.nii.gz"
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save labels", str(self._workspace() / name), NIFTI_FILTER
        )
        if chosen:
            self.save_file(Path(chosen))

    def save_file(self, path: Path) -> None:
        """Write the labels of all frames as one NIfTI file, with the geometry of their cine."""
        layer = self._scene.labels_to_save()
        drawing = Drawing.of(layer)

        def work(*_: object) -> tuple[Path, tuple[Problem, ...]]:
            return write_structures(path, drawing.data, drawing.attributes)

        def take(written: tuple[Path, tuple[Problem, ...]]) -> None:
            file, warnings = written
            show_problems(warnings)
            drawing.forget_edits(layer)
            _tell_saved([file], file.parent)

        self._desk.read(Job(f"Save {path.name}", work), take)

    def save_versions(self, frames: Mapping[Phase, int]) -> None:
        """Keep frames of the labels as label versions of the shown exam."""
        exam, cohort, folder = self._session.exam, self._session.cohort, self._workspace() / "labels"
        drawing = Drawing.of(self._scene.labels_to_save())
        assert exam is not None  # else it was not offered

        def work(*_: object) -> list[Path]:
            return add_versions(folder, cohort, exam, drawing, frames)

        job = Job(f"Save labels of {exam.subject.id}", work)
        self._desk.read(job, lambda files: _tell_saved(files, folder))

    def _phases(self, exam: Exam) -> list[tuple[str, dict[Phase, int]]]:
        """Return what frames may be kept as: the exam's phases where they are known, else the shown frame."""
        known = {phase: frame for frame, phase in exam.phase_frames.items()}
        if known:
            which = " and ".join(f"{phase} (frame {frame})" for phase, frame in known.items())
            return [(f"{which} as label version{'s' * (len(known) > 1)}", known)]
        frame = self._scene.frame
        return [(f"Frame {frame} as {phase}, a label version", {phase: frame}) for phase in Phase]

    def _say(self, text: str) -> None:
        action = self.choices.addAction(text)
        assert action is not None
        action.setEnabled(False)


def _tell_saved(files: list[Path], folder: Path) -> None:
    from napari.utils.notifications import show_info

    show_info(f"Saved {', '.join(str(file.relative_to(folder)) for file in files)} in {folder}.")
