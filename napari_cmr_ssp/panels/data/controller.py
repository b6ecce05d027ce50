"""Opens cohorts and shows exams."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cmr_ssp.subjects import Cohort, Subject

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.panels.data.sorting import Sorting
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.data.view import DataView


class DataController:
    """Opens what the user chooses, and shows the exam that is double clicked or dropped on the canvas."""

    title: ClassVar[str] = "Data"

    def __init__(self, context: Context, view: DataView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self.sorting = Sorting(context, view, self.show_exam)
        view.folder_chosen.connect(self.open_cohort)
        view.phantoms_asked.connect(self.open_phantoms)
        view.exam_asked.connect(self.show_exam)
        context.scene.put_away.connect(view.tell_put_away)
        context.scene.dropped.connect(self._read_dropped)
        context.scene.find_dropped()

    @classmethod
    def make(cls, context: Context) -> Self:
        """Make the view and its controller."""
        from napari_cmr_ssp.panels.data.view import DataView

        return cls(context, DataView(context.session))

    def open_cohort(self, folder: Path) -> None:
        """List a cohort in the background and show it."""
        self._desk.clear()
        self._desk.read(Job(f"Open {folder.name}", work.opening(folder)), self._take_cohort)

    def open_phantoms(self) -> None:
        """Open the phantom cohort, which is made the first time."""
        self._desk.clear()
        self._desk.read(Job("Phantom cohort", work.opening_phantoms()), self._take_cohort)

    def show_exam(self, subject: Subject) -> None:
        """Read an exam in the background and show it."""
        self._desk.clear()
        self._desk.read(Job(f"Read {subject.id}", work.reading(subject)), self._take_exam)

    def _take_cohort(self, cohort: Cohort) -> None:
        self._scene.clear()
        self._session.open(cohort)

    def _take_exam(self, exam: Exam) -> None:
        if not any(exam.is_of(subject) for subject in self._session.subjects):
            return  # another cohort was opened meanwhile
        self._scene.show_exam(exam)
        self._session.exam = exam

    def _read_dropped(self, layer: Any) -> None:
        """Make a cine that napari opened by itself the shown exam."""
        reading = work.reading_dropped(Path(layer.metadata["sources"][0]))
        self._desk.read(Job(f"Read {layer.name}", reading), lambda exam: self._take_dropped(exam, layer))

    def _take_dropped(self, exam: Exam, layer: Any) -> None:
        if self._scene.take_dropped(exam, layer):
            self._session.exam = exam
