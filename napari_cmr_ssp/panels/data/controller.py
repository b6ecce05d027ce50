"""Controller of the Data panel: opens cohorts and shows exams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem
from cmr_ssp.subjects import Cohort, Subject

from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.io.memory import LastState
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.panels.data.continuing import Continuing
from napari_cmr_ssp.panels.data.own_labels import OwnLabelsList
from napari_cmr_ssp.panels.data.pictures import Pictures
from napari_cmr_ssp.panels.data.sorting import Sorting
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.data.view import DataView


class DataController:
    """Opens cohorts, and shows exams that are alone in theirs, double clicked or dropped on the canvas."""

    title: ClassVar[str] = "Data"
    area: ClassVar[Area] = Area.TAB

    def __init__(self, context: Context, view: DataView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self.sorting = Sorting(context, view, self.show_exam)
        self.continuing = Continuing(context, view.opening, self.continue_with)
        self.pictures, self.own_labels = Pictures(context, view), OwnLabelsList(context, view)
        view.place_chosen.connect(self.open_cohort)
        view.phantoms_requested.connect(self.open_phantoms)
        view.exam_requested.connect(self.show_exam)
        context.scene.layer_stored.connect(view.notify_layer_stored)
        context.scene.dropped.connect(self._read_dropped)
        context.session.volume_requested.connect(self.show_volume)
        context.scene.find_dropped()

    @classmethod
    def make(cls, context: Context) -> Self:
        """Create the panel view and its controller."""
        from napari_cmr_ssp.panels.data.view import DataView

        return cls(context, DataView(context.session))

    def open_cohort(self, place: Path) -> None:
        """List a folder, archive or NIfTI file in the background and show its subjects."""

        def on_read(cohort: Cohort) -> None:
            self._show_cohort(cohort)
            self.continuing.note_opened(cohort.root)

        self._desk.clear()
        self._desk.read(Job(f"Open {place.name}", work.opening_cohort(place)), on_read)

    def continue_with(self, last: LastState) -> None:
        """Open the cohort of an earlier session again, with its exam, split and ticks."""
        opening = work.opening_cohort(last.place)
        self._desk.clear()
        self._desk.read(
            Job(f"Open {last.place.name}", opening), lambda cohort: self._show_cohort(cohort, last)
        )

    def open_phantoms(self) -> None:
        """Open the phantom cohort; create it if needed."""
        self._desk.clear()
        self._desk.read(Job("Phantom cohort", work.opening_phantoms()), self._show_cohort)

    def show_exam(self, subject: Subject) -> None:
        """Read an exam in the background and show it."""
        self._desk.clear()
        self._read_exam(subject)

    def show_volume(self, subject_id: str, phase: Phase) -> None:
        """Show a subject of the cohort at a phase."""
        subject = next((each for each in self._session.subjects if each.id == subject_id), None)
        if subject is None:
            remedy = "Open the cohort that was scored."
            self._desk.show_problems([Problem(subject_id, "is not in the open cohort", remedy)])
            return

        def go() -> None:
            exam = self._session.exam
            if exam is not None and exam.belongs_to(subject) and phase in self._session.phases:
                self._scene.go_to(self._session.phases[phase], self._scene.slice)

        if self._session.exam is not None and self._session.exam.belongs_to(subject):
            go()
        else:
            self._desk.clear()
            self._read_exam(subject, go)

    def _read_exam(self, subject: Subject, then: Callable[[], None] | None = None) -> None:
        def on_read(exam: Exam) -> None:
            self._on_exam_read(exam)
            if then is not None:
                then()

        self._desk.read(Job(f"Read {subject.id}", work.reading_exam(subject)), on_read)

    def _show_cohort(self, cohort: Cohort, last: LastState | None = None) -> None:
        """Show a cohort, and its exam of last time or its only one."""
        self._scene.clear()
        self._session.open(cohort)
        exam = self.continuing.restore(last) if last is not None else None
        if exam is None and len(cohort.subjects) == 1:
            exam = cohort.subjects[0]
        if exam is not None:
            self._read_exam(exam)

    def _on_exam_read(self, exam: Exam) -> None:
        if not any(exam.belongs_to(subject) for subject in self._session.subjects):
            return  # another cohort is open
        self._scene.show_exam(exam)
        self._session.exam = exam

    def _read_dropped(self, layer: Any) -> None:
        """Read the exam of a layer that napari opened from a dropped file."""
        reading = work.reading_dropped(Path(layer.metadata["sources"][0]))
        self._desk.read(Job(f"Read {layer.name}", reading), lambda exam: self._on_dropped_read(exam, layer))

    def _on_dropped_read(self, exam: Exam, layer: Any) -> None:
        if self._scene.replace_dropped(exam, layer):
            self._session.exam = exam
            if layer.source.path is not None:  # what the user chose; the exam may be a folder in it
                self.continuing.note_dropped(exam, Path(layer.source.path))
