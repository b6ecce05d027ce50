"""Segments exams by a run, and lays what was found over the exam that is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cmr_ssp.errors import Problem
from cmr_ssp.runs import RunSummary
from cmr_ssp.subjects import Subject

from napari_cmr_ssp.context import NO_EXAM, Context
from napari_cmr_ssp.io.results import FoundLabels, Result, Results
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from cmr_ssp.jobs import SegmentedSubject


class Segmenting:
    """Files of segmentations, written by jobs and shown whenever their exam is.

    Parameters
    ----------
    context : Context
        Session, scene, desk and preferences.
    when_done : callable
        Is given the run after each job, also one that failed in part.
    """

    def __init__(self, context: Context, when_done: Callable[[RunSummary], None]) -> None:
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._preferences, self._when_done = context.preferences, when_done
        self.results = Results()
        context.session.events.exam.connect(self._show_results)

    def segment_shown(self, run: RunSummary) -> None:
        """Segment all frames of the shown exam, and write a file."""
        if self._session.exam is None:
            self._desk.refuse([NO_EXAM])
            return
        self._segment(run, [self._session.exam.subject])

    def segment_selected(self, run: RunSummary) -> None:
        """Segment the subjects that are selected in the table, and write files."""
        cohort, ids = self._session.cohort, self._session.selected
        if cohort is None or not ids:
            what, remedy = "none is selected", "Select rows of the table under Data."
            self._desk.refuse([Problem("subjects", what, remedy)])
            return
        self._segment(run, cohort.select(ids).subjects)

    def _segment(self, run: RunSummary, subjects: Sequence[Subject]) -> None:
        found: list[Result] = []  # files, since labels of many cines would fill the memory

        def keep(one: SegmentedSubject) -> None:
            assert one.file is not None  # an output folder is named
            found.append(Result(one.subject, run.name, one.file))

        output = run.folder / "segmentations"
        doing = work.segmenting(run.folder, subjects, self._preferences.now, keep, output)
        whom = f"{len(subjects)} subjects" if len(subjects) > 1 else subjects[0].id
        where = f"files in {run.name}/{output.name}"
        job = Job(f"Segment {whom} by {run.name}", doing, result=where, result_folder=output)
        self._desk.compute(job, lambda _: self._take(run, found), even_if_failed=True)

    def _take(self, run: RunSummary, found: list[Result]) -> None:
        exam = self._session.exam
        for result in found:
            self.results.add(result)
            if exam is not None and exam.is_of(result.subject):
                self._show(exam, result)
        unseen = [one for one in found if exam is None or not exam.is_of(one.subject)]
        self._desk.tell_saved([result.file for result in found], n_unseen=len(unseen))
        self._when_done(run)

    def _show_results(self, exam: Exam | None) -> None:
        for result in self.results.of(exam) if exam is not None else ():
            if exam is not None and not self._scene.is_edited(exam, result.run):
                self._show(exam, result)

    def _show(self, exam: Exam, result: Result) -> None:
        def take(found: FoundLabels | None) -> None:
            if found is not None and self._session.exam is exam:
                about = {"file": str(result.file), "checkpoint": found.checkpoint}
                self._scene.show_prediction(exam, found.labels, result.run, **about)

        reading = work.reading_result(result, exam)
        self._desk.read(Job(f"Read {result.file.name}", reading, is_silent=True), take)
