"""The dock widget: makes session, workers, scene and panels, and connects them. Nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_ssp.errors import Problem
from cmr_ssp.events import Event, Outcome
from cmr_ssp.subjects import Cohort, Subject
from qtpy.QtCore import QCoreApplication
from qtpy.QtWidgets import QLabel, QTabWidget, QVBoxLayout, QWidget

from napari_cmr_ssp import work
from napari_cmr_ssp.exams import Exam
from napari_cmr_ssp.job_worker import Job, JobResult, JobWorker, Work, preload
from napari_cmr_ssp.preferences import Preferences, read_preferences
from napari_cmr_ssp.scene import Scene, Viewer
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.data_panel import DataPanel
from napari_cmr_ssp.widgets.job_bar import JobBar
from napari_cmr_ssp.widgets.reconstruction_panel import ReconstructionPanel
from napari_cmr_ssp.widgets.runs_panel import RunsPanel
from napari_cmr_ssp.widgets.train_panel import TrainPanel

if TYPE_CHECKING:
    from cmr_ssp.jobs import SegmentedSubject
    from cmr_ssp.prediction import Reconstruction
    from cmr_ssp.runs import RunSummary

Then = Callable[[Any], None]
"""Takes what a job's work returned, in the GUI thread; only called where it did not fail."""


class Workbench(QWidget):
    """Pick subjects and phases, pretrain and fine-tune in the background, see the overlay and its Dice.

    Parameters
    ----------
    napari_viewer : Viewer
        Where exams are shown; napari passes it.
    preferences : Preferences, optional
        Read from napari's settings unless given.
    """

    def __init__(self, napari_viewer: Viewer, preferences: Preferences | None = None) -> None:
        super().__init__()
        self.preferences = preferences or read_preferences()
        self.session = Session()
        self.scene = Scene(napari_viewer)
        # Reading must not wait for a training, so it has a thread of its own.
        self.trainer, self.reader = JobWorker("jobs"), JobWorker("reading")
        self._then: dict[Job, Then] = {}
        self.data = DataPanel(self.session)
        self.train = TrainPanel(self.session, self.preferences.runs)
        self.runs = RunsPanel()
        self.reconstructions = ReconstructionPanel()
        self.place = QLabel()
        self.place.setIndent(6)
        self.job_bar = JobBar()
        self._lay_out()
        self._connect()
        self._submit(self.trainer, Job("Load torch", preload, is_silent=True))
        self.refresh_runs()

    # what the user asks for

    def open_cohort(self, folder: Path) -> None:
        """List a cohort in the background and show it."""
        self.job_bar.clear()
        self._do(self.reader, f"Open {folder.name}", work.opening(folder), self._take_cohort)

    def open_phantoms(self) -> None:
        """Open the phantom cohort, which is made the first time."""
        self._do(self.reader, "Phantom cohort", work.opening_phantoms(), self._take_cohort)

    def show_exam(self, subject: Subject) -> None:
        """Read an exam in the background and show it."""
        self.job_bar.clear()
        self._do(self.reader, f"Read {subject.id}", work.reading(subject), self._take_exam)

    def start_training(self, plan: work.TrainingPlan, *, pretrains: bool) -> None:
        """Queue a training."""
        verb = "Pretrain" if pretrains else "Train"
        title = f"{'Resume' if plan.resumes else verb} {plan.run_folder.name}"
        doing = work.training(plan, self.preferences, pretrains=pretrains)
        job = Job(title, doing, plan.run_folder, plan.resumes)
        self._submit(self.trainer, job, lambda _: self.runs.choose(plan.run_folder))

    def resume(self, run: RunSummary) -> None:
        """Continue a run."""
        if self.session.cohort is None:
            self._refuse("cohort", "none is open", "Open the run's cohort under Data.")
            return
        plan = work.TrainingPlan(self.session.cohort, self.session.split, None, run.folder, {})
        self.start_training(plan, pretrains=run.method == "mim")

    def segment_shown(self, run: RunSummary) -> None:
        """Segment all frames of the shown exam."""
        if self.session.exam is None:
            self._refuse("exam", "none is shown", "Double click a subject under Data.")
            return
        self._segment(run, [self.session.exam.subject], None)

    def segment_selected(self, run: RunSummary) -> None:
        """Segment the subjects that are selected in the table, and write files."""
        cohort, ids = self.session.cohort, self.data.selected_ids()
        if cohort is None or not ids:
            self._refuse("subjects", "none is selected", "Select rows of the table under Data.")
            return
        self._segment(run, cohort.select(ids).subjects, run.folder / "segmentations")

    def score(self, run: RunSummary) -> None:
        """Score a run on all labelled subjects of the cohort."""
        if self.session.cohort is None:
            self._refuse("cohort", "none is open", "Open one under Data.")
            return
        scoring = work.scoring(run.folder, self.session.cohort, self.preferences)
        self._do(self.trainer, f"Score {run.name}", scoring, lambda _: self._show_scored(run))

    def rebuild(self, run: Path, seed: int, hidden: float) -> None:
        """Rebuild the shown frame from a part of it."""
        exam = self.session.exam
        if exam is None:
            self._refuse("exam", "none is shown", "Double click a subject under Data.")
            return
        frame = self.scene.frame
        job = work.rebuilding(run, exam.subject, frame, seed, hidden, self.preferences)
        self._do(self.trainer, f"Rebuild frame {frame}", job, lambda found: self._take_rebuilt(exam, found))

    def refresh_runs(self) -> None:
        """List the runs of the workspace."""
        self._do(self.reader, "List runs", work.listing(self.preferences.runs), self._take_runs)

    def show_scores(self, run: RunSummary) -> None:
        """Read what a run scored so far."""
        self._do(
            self.reader,
            f"Scores of {run.name}",
            work.scores_of(run.folder),
            lambda scores: self.runs.show_scores(run.name, scores),
        )

    def close_down(self) -> None:
        """Stop jobs and wait a little; what they did so far is on disk."""
        self.scene.close()
        _close((self.reader, self.trainer))

    # what comes back

    def _show_place(self, place: str) -> None:
        self.place.setText(place)

    def _take_cohort(self, cohort: Cohort) -> None:
        self.session.open(cohort)

    def _take_exam(self, exam: Exam) -> None:
        self.session.exam = exam
        self.scene.show_exam(exam)

    def _take_runs(self, runs: tuple[RunSummary, ...]) -> None:
        self.train.show_runs(runs)
        self.reconstructions.show_runs(runs)
        self.runs.show_runs(runs)

    def _take_segmented(self, run: RunSummary, found: list[SegmentedSubject]) -> None:
        exam = self.session.exam
        for one in found:
            if exam is not None and one.subject.id == exam.subject.id:
                self.scene.show_prediction(exam, one.labels, run.name)
        self._show_scored(run)

    def _show_scored(self, run: RunSummary) -> None:
        self.show_scores(run)
        self.refresh_runs()

    def _take_rebuilt(self, exam: Exam, found: Reconstruction | None) -> None:
        if found is not None and self.session.exam is exam:
            self.scene.show_reconstruction(exam, found)
            self.reconstructions.show_result(found)

    def _segment(self, run: RunSummary, subjects: Sequence[Subject], output: Path | None) -> None:
        found: list[SegmentedSubject] = []
        shown = self.session.exam.subject.id if self.session.exam is not None else None

        def keep(one: SegmentedSubject) -> None:
            if one.subject.id == shown:  # many cines would fill the memory
                found.append(one)

        job = work.segmenting(run.folder, subjects, self.preferences, keep, output)
        title = f"Segment {len(subjects)} subjects" if len(subjects) > 1 else f"Segment {subjects[0].id}"
        self._do(self.trainer, f"{title} by {run.name}", job, lambda _: self._take_segmented(run, found))

    # jobs

    def _do(self, worker: JobWorker, title: str, doing: Work, then: Then | None = None) -> None:
        self._submit(worker, Job(title, doing, is_silent=worker is self.reader), then)

    def _submit(self, worker: JobWorker, job: Job, then: Then | None = None) -> None:
        if then is not None:
            self._then[job] = then
        worker.submit(job)

    def _started(self, job: Job) -> None:
        if not job.is_silent:
            self.job_bar.start(job)

    def _told(self, job: Job, event: Event) -> None:
        if not job.is_silent:
            self.job_bar.take(event)
        if job.run_folder is not None:
            self.train.curves.take(event)

    def _ended(self, job: Job, result: JobResult) -> None:
        if not job.is_silent:
            self.job_bar.end(job, result)
        elif result.outcome is Outcome.FAILED:
            self.job_bar.show_problems(result.problems)
        self._finish(job, result)

    def _finish(self, job: Job, result: JobResult) -> None:
        then = self._then.pop(job, None)
        if result.outcome is not Outcome.FAILED and then is not None:
            then(result.value)
        if job.run_folder is not None:
            self.refresh_runs()

    def _refuse(self, where: str, what: str, remedy: str) -> None:
        self.job_bar.show_problems([Problem(where, what, remedy)])

    # construction

    def _lay_out(self) -> None:
        self.tabs = QTabWidget()
        for panel, title in (
            (self.data, "Data"),
            (self.train, "Train"),
            (self.runs, "Runs"),
            (self.reconstructions, "Reconstructions"),
        ):
            self.tabs.addTab(panel, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.place)
        layout.addWidget(self.job_bar)

    def _connect(self) -> None:
        self.data.folder_chosen.connect(self.open_cohort)
        self.data.phantoms_asked.connect(self.open_phantoms)
        self.data.exam_asked.connect(self.show_exam)
        self.train.start_asked.connect(self._start)
        self.runs.refresh_asked.connect(self.refresh_runs)
        self.runs.run_chosen.connect(self.show_scores)
        self.runs.segment_shown_asked.connect(self.segment_shown)
        self.runs.segment_selected_asked.connect(self.segment_selected)
        self.runs.score_asked.connect(self.score)
        self.runs.resume_asked.connect(self.resume)
        self.reconstructions.rebuild_asked.connect(self.rebuild)
        self.reconstructions.part_chosen.connect(self.scene.show_part)
        self.scene.moved.connect(self._show_place)
        self.job_bar.stop_asked.connect(lambda discard: self.trainer.stop(discard=discard))
        for worker in (self.trainer, self.reader):
            worker.started.connect(self._started)
            worker.told.connect(self._told)
            worker.ended.connect(self._ended)
        self.scene.follow_theme(self.train.curves.set_colours)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close_down)
        self.destroyed.connect(partial(_close, (self.reader, self.trainer)))

    def _start(self, plan: work.TrainingPlan) -> None:
        self.start_training(plan, pretrains=self.train.pretrains)


def _close(workers: Sequence[JobWorker], *_: object) -> None:
    """End the threads: all are asked before one is waited for."""
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.close()
