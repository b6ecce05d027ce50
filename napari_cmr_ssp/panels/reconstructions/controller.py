"""Rebuilds hidden patches of the shown frame, and shows what a pretraining rebuilt over its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.runs import Records

from napari_cmr_ssp.context import NO_EXAM, Context
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from cmr_ssp.methods.mim.reconstruct import Reconstruction

    from napari_cmr_ssp.panels.reconstructions.view import ReconstructionView


class ReconstructionController:
    """Asks for reconstructions and lays them over the exam."""

    title: ClassVar[str] = "Reconstructions"

    def __init__(self, context: Context, view: ReconstructionView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._preferences = context.preferences
        view.rebuild_asked.connect(self.rebuild)
        view.records_asked.connect(self.show_records)
        view.part_chosen.connect(context.scene.show_part)
        context.session.events.runs.connect(view.show_runs)
        context.scene.emptied.connect(view.clear)

    @classmethod
    def make(cls, context: Context) -> Self:
        """Make the view and its controller."""
        from napari_cmr_ssp.panels.reconstructions.view import ReconstructionView

        return cls(context, ReconstructionView())

    def rebuild(self, run: Path, seed: int, hidden: float) -> None:
        """Rebuild the shown frame from a part of it."""
        exam = self._session.exam
        if exam is None:
            self._desk.refuse([NO_EXAM])
            return
        frame = self._scene.frame
        doing = work.rebuilding(run, exam.subject, frame, seed, hidden, self._preferences.now)
        self._desk.compute(Job(f"Rebuild frame {frame}", doing), lambda found: self._take(exam, found))

    def show_records(self, run: Path) -> None:
        """Show what a run rebuilt over its training."""
        self._desk.read(Job(f"Records of {run.name}", work.records_of(run)), self._take_records)

    def _take(self, exam: Exam, found: Reconstruction | None) -> None:
        if found is not None and self._session.exam is exam:
            self._scene.show_reconstruction(exam, found)
            self.view.show_result(found)

    def _take_records(self, records: Records) -> None:
        self._session.exam = None
        self._scene.show_records(records)
        self.view.show_records(records)
