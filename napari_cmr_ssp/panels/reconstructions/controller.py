"""Controller of the Reconstructions panel: reconstructs the displayed frame, and shows records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.runs import Records

from napari_cmr_ssp.context import NO_EXAM, Area, Context
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from cmr_ssp.methods.mim.reconstruct import Reconstruction

    from napari_cmr_ssp.panels.reconstructions.view import ReconstructionView


class ReconstructionController:
    """Starts reconstructions and shows them over the exam."""

    title: ClassVar[str] = "Reconstructions"
    area: ClassVar[Area] = Area.TAB

    def __init__(self, context: Context, view: ReconstructionView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._preferences = context.preferences
        view.reconstruction_requested.connect(self.reconstruct)
        view.records_requested.connect(self.show_records)
        view.part_chosen.connect(context.scene.show_part)
        context.session.events.runs.connect(view.show_runs)
        context.scene.cleared.connect(view.clear)

    @classmethod
    def make(cls, context: Context) -> Self:
        """Create the panel view and its controller."""
        from napari_cmr_ssp.panels.reconstructions.view import ReconstructionView

        return cls(context, ReconstructionView())

    def reconstruct(self, run: Path, seed: int, hidden: float) -> None:
        """Hide patches of the displayed frame and reconstruct them in the background."""
        exam = self._session.exam
        if exam is None:
            self._desk.show_problems([NO_EXAM])
            return
        frame = self._scene.frame
        reconstructing = work.reconstructing(run, exam.subject, frame, seed, hidden, self._preferences.now)
        job = Job(f"Reconstruct frame {frame}", reconstructing, reads=run)
        self._desk.compute(job, lambda result: self._on_reconstructed(exam, result))

    def show_records(self, run: Path) -> None:
        """Read the records of a run in the background and show them."""
        self._desk.read(Job(f"Records of {run.name}", work.reading_records(run)), self._on_records_read)

    def _on_reconstructed(self, exam: Exam, result: Reconstruction | None) -> None:
        if result is not None and self._session.exam is exam:
            self._scene.show_reconstruction(exam, result)
            self.view.show_result(result)

    def _on_records_read(self, records: Records) -> None:
        self._session.exam = None
        self._scene.show_records(records)
        self.view.show_records(records)
