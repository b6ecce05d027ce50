"""Segments exams with a run, and shows segmentations over the displayed exam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cmr_ssp.errors import Problem
from cmr_ssp.events import Event, FramesSegmented
from cmr_ssp.phantoms import is_phantom
from cmr_ssp.runs import CheckpointName, RunSummary
from cmr_ssp.subjects import Subject

from napari_cmr_ssp.context import NO_EXAM, Context
from napari_cmr_ssp.io.results import FOLDERS, Result, Results, StoredLabels, name_of
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from cmr_ssp.jobs import SegmentedSubject

_PHANTOM_MODEL = Problem(
    "segmentation",
    "this run was trained on synthetic hearts and finds nothing in patients",
    "Choose another run, bring in a model, build a starter model, or draw by hand.",
)


class Segmenting:
    """Starts segmentation jobs, and shows their files whenever their exam is displayed.

    Parameters
    ----------
    context : Context
        Shared context.
    when_done : callable
        Called with the run and its checkpoint after each job, even if it failed.
    """

    def __init__(self, context: Context, when_done: Callable[[RunSummary, CheckpointName], None]) -> None:
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._preferences, self._when_done = context.preferences, when_done
        self.results = Results()
        self._looked_for: set[str] = set()
        context.session.events.exam.connect(self._show_results)
        context.session.events.runs.connect(lambda _: self._look_for_results(self._session.exam))

    def segment_shown(self, run: RunSummary, checkpoint: CheckpointName = "last") -> None:
        """Segment all frames of the displayed exam and write a file."""
        if self._session.exam is None:
            self._desk.show_problems([NO_EXAM])
            return
        self._segment(run, checkpoint, [self._session.exam.subject], self._scene.place)

    def segment_selected(self, run: RunSummary, checkpoint: CheckpointName = "last") -> None:
        """Segment the subjects selected in the table and write files."""
        cohort, ids = self._session.cohort, self._session.selected
        if cohort is None or not ids:
            what, remedy = "none is selected", "Select rows of the table under Data."
            self._desk.show_problems([Problem("subjects", what, remedy)])
            return
        self._segment(run, checkpoint, cohort.select(ids).subjects)

    def _segment(
        self,
        run: RunSummary,
        checkpoint: CheckpointName,
        subjects: Sequence[Subject],
        near: tuple[int, int] | None = None,
    ) -> None:
        """Segment subjects; with `near`, the shown one, from the shown frame and slice on."""
        if run.knows_only_phantoms and not all(is_phantom(subject.id) for subject in subjects):
            self._desk.show_problems([_PHANTOM_MODEL])
            return
        results: list[Result] = []  # files, since labels of many cines may not fit in memory
        name = name_of(run, checkpoint)

        def on_segmented(segmented: SegmentedSubject) -> None:
            if segmented.file is not None:
                results.append(Result(segmented.subject, name, segmented.file))

        output = run.folder / FOLDERS[checkpoint]
        segmenting = work.segmenting(
            run.folder, subjects, self._preferences.now, on_segmented, output, checkpoint, near
        )
        what = f"{len(subjects)} subjects" if len(subjects) > 1 else subjects[0].id
        where = f"files in {run.name}/{output.name}"
        job = Job(
            f"Segment {what} by {name}", segmenting, result=where, result_folder=output, reads=run.folder
        )
        if near is not None:
            job.follow = lambda event: self._show_growing(subjects[0], name, event)
        self._desk.compute(job, lambda _: self._on_finished(run, checkpoint, results), even_if_failed=True)

    def _show_growing(self, subject: Subject, run: str, event: Event) -> None:
        """Show the frames that are segmented so far over the exam, if it is still the shown one."""
        exam = self._session.exam
        if isinstance(event, FramesSegmented) and exam is not None and exam.belongs_to(subject):
            self._scene.growing.show(exam, event.labels, run, event.frames)

    def _on_finished(self, run: RunSummary, checkpoint: CheckpointName, results: list[Result]) -> None:
        exam = self._session.exam
        if not any(exam is not None and exam.belongs_to(each.subject) for each in results):
            self._scene.growing.remove()  # stopped or failed: nothing replaces it
        for result in results:
            self.results.add(result)
            if exam is not None and exam.belongs_to(result.subject):
                self._show(exam, result)
        unseen = [each for each in results if exam is None or not exam.belongs_to(each.subject)]
        self._desk.show_saved([result.file for result in results], n_unseen=len(unseen))
        self._when_done(run, checkpoint)

    def _show_results(self, exam: Exam | None) -> None:
        for result in self.results.for_exam(exam) if exam is not None else ():
            if exam is not None and not self._scene.is_edited(exam, result.run):
                self._show(exam, result)
        self._look_for_results(exam)

    def _look_for_results(self, exam: Exam | None) -> None:
        """Look once for the newest segmentation of an exam that was made before this session."""
        runs = self._session.runs
        if exam is None or runs is None or exam.key in self._looked_for:
            return
        self._looked_for.add(exam.key)

        def take(found: Result | None) -> None:
            if found is not None and not self.results.for_exam(exam):
                self.results.add(found)
                if self._session.exam is exam and not self._scene.is_edited(exam, found.run):
                    self._show(exam, found)

        self._desk.read(Job("Look for a segmentation", work.finding_result(runs, exam), is_silent=True), take)

    def _show(self, exam: Exam, result: Result) -> None:
        def on_read(stored: StoredLabels | None) -> None:
            if stored is not None and self._session.exam is exam:
                about = {"file": str(result.file), "checkpoint": stored.checkpoint}
                self._scene.show_prediction(exam, stored.labels, result.run, **about)
            self._scene.growing.remove()

        reading = work.reading_result(result, exam)
        self._desk.read(Job(f"Read {result.file.name}", reading, is_silent=True), on_read)
