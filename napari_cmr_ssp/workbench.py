"""The dock widget: makes session, workers, scene and panels, and connects them. Nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.files.dicom import DicomFolder
from cmr_ssp.recipes import is_pretraining
from cmr_ssp.subjects import CineStack, Cohort, SortOptions, Subject
from qtpy.QtCore import QCoreApplication
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from napari_cmr_ssp.io.results import FoundLabels, Result, Results
from napari_cmr_ssp.io.saving import offer_nifti_first
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.desk import JobDesk
from napari_cmr_ssp.jobs.worker import Job, preload
from napari_cmr_ssp.panels.data.panel import DataPanel
from napari_cmr_ssp.panels.data.sorting_dialog import SortingDialog
from napari_cmr_ssp.panels.reconstructions.panel import ReconstructionPanel
from napari_cmr_ssp.panels.runs.panel import RunsPanel
from napari_cmr_ssp.panels.save.button import SaveButton
from napari_cmr_ssp.panels.train.panel import TrainPanel
from napari_cmr_ssp.preferences import Preferences, read_preferences, store_workspace, when_changed
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.scene import Scene, Viewer
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from cmr_ssp.jobs import SegmentedSubject
    from cmr_ssp.methods.mim.reconstruct import Reconstruction
    from cmr_ssp.runs import Records, RunSummary


_NO_EXAM = ("exam", "none is shown", "Double click a subject under Data, or drop a file on the canvas.")


class Workbench(QWidget):
    """Pick subjects and phases, pretrain and fine-tune in the background, see the overlay and its Dice.

    Parameters
    ----------
    napari_viewer : Viewer
        Where exams are shown; napari passes it.
    preferences : Preferences, optional
        Read from napari's settings, whenever a job starts, unless given.
    """

    def __init__(self, napari_viewer: Viewer, preferences: Preferences | None = None) -> None:
        super().__init__()
        self._preferences = preferences
        self.session = Session()
        self.scene = Scene(napari_viewer)
        self.results = Results()
        self._is_open = True
        self._stop_following = None if preferences else when_changed(lambda: self.refresh_runs())
        self.data = DataPanel(self.session)
        self.train = TrainPanel(self.session, lambda: self.preferences)
        self.runs = RunsPanel()
        self.reconstructions = ReconstructionPanel()
        self.place = StatusLine()
        self.job_bar = JobBar()
        self.desk = JobDesk(self.job_bar, self)
        self.save = SaveButton(self.session, self.scene, self.desk, lambda: self.preferences.workspace)
        offer_nifti_first()
        self._lay_out()
        self._connect()
        # The runs are listed with torch loaded, which a folder that is opened meanwhile must not wait for.
        loading = Job("Load torch", preload, is_silent=True)
        self.desk.compute(loading, lambda _: self.refresh_runs())

    @property
    def preferences(self) -> Preferences:
        """Device, threads and workspace as they are set now."""
        return self._preferences or read_preferences()

    @preferences.setter
    def preferences(self, preferences: Preferences) -> None:
        self._preferences = preferences

    # what the user asks for

    def open_cohort(self, folder: Path) -> None:
        """List a cohort in the background and show it."""
        self.job_bar.clear()
        self.desk.read(Job(f"Open {folder.name}", work.opening(folder)), self._take_cohort)

    def open_phantoms(self) -> None:
        """Open the phantom cohort, which is made the first time."""
        self.job_bar.clear()
        self.desk.read(Job("Phantom cohort", work.opening_phantoms()), self._take_cohort)

    def show_exam(self, subject: Subject) -> None:
        """Read an exam in the background and show it."""
        self.job_bar.clear()
        self.desk.read(Job(f"Read {subject.id}", work.reading(subject)), self._take_exam)

    def list_series(self, subject: Subject) -> None:
        """List what the DICOM exam of a subject holds."""
        job = Job(f"Series of {subject.id}", work.listing_series(subject), is_silent=True)
        self.desk.read(job, lambda found: self._take_series(subject, found))

    def ask_how_to_open(self, subject: Subject) -> None:
        """Let the user choose how a DICOM exam is sorted."""
        dialog = SortingDialog(subject, self)
        dialog.preview_asked.connect(lambda subject, options: self._preview(dialog, subject, options))
        dialog.open_asked.connect(self.open_sorted)
        dialog.finished.connect(dialog.deleteLater)
        self._preview(dialog, subject, dialog.options)
        dialog.open()

    def open_sorted(self, subject: Subject, options: SortOptions) -> None:
        """Open a DICOM exam with chosen options, and show it."""
        self.job_bar.clear()
        doing = work.sorting(subject, options)
        self.desk.read(Job(f"Open {subject.id}", doing), lambda found: self._take_sorted(*found))

    def start_training(self, plan: work.TrainingPlan, *, pretrains: bool) -> None:
        """Queue a training."""
        verb = "Pretrain" if pretrains else "Train"
        title = f"{'Resume' if plan.resumes else verb} {plan.run_folder.name}"
        doing = work.training(plan, self.preferences, pretrains=pretrains)
        job = Job(title, doing, plan.run_folder, plan.resumes)
        self.desk.compute(job)

    def resume(self, run: RunSummary) -> None:
        """Continue a run."""
        if self.session.cohort is None:
            self._refuse("cohort", "none is open", "Open the run's cohort under Data.")
            return
        plan = work.TrainingPlan(self.session.cohort, self.session.split, None, run.folder, {})
        self.start_training(plan, pretrains=is_pretraining(run.method))

    def segment_shown(self, run: RunSummary) -> None:
        """Segment all frames of the shown exam, and write a file."""
        if self.session.exam is None:
            self._refuse(*_NO_EXAM)
            return
        self._segment(run, [self.session.exam.subject])

    def segment_selected(self, run: RunSummary) -> None:
        """Segment the subjects that are selected in the table, and write files."""
        cohort, ids = self.session.cohort, self.data.selected_ids()
        if cohort is None or not ids:
            self._refuse("subjects", "none is selected", "Select rows of the table under Data.")
            return
        self._segment(run, cohort.select(ids).subjects)

    def score(self, run: RunSummary) -> None:
        """Score a run on all labelled subjects of the cohort."""
        if self.session.cohort is None:
            self._refuse("cohort", "none is open", "Open one under Data.")
            return
        scoring = work.scoring(run.folder, self.session.cohort, self.preferences)
        job = Job(f"Score {run.name}", scoring)
        self.desk.compute(job, lambda _: self._show_scored(run), even_if_failed=True)

    def rebuild(self, run: Path, seed: int, hidden: float) -> None:
        """Rebuild the shown frame from a part of it."""
        exam = self.session.exam
        if exam is None:
            self._refuse(*_NO_EXAM)
            return
        frame = self.scene.frame
        doing = work.rebuilding(run, exam.subject, frame, seed, hidden, self.preferences)
        self.desk.compute(Job(f"Rebuild frame {frame}", doing), lambda found: self._take_rebuilt(exam, found))

    def show_records(self, run: Path) -> None:
        """Show what a run rebuilt over its training."""
        self.desk.read(Job(f"Records of {run.name}", work.records_of(run)), self._take_records)

    def refresh_runs(self, choose: Path | None = None, then: Callable[[], None] | None = None) -> None:
        """List the runs of the workspace, choose one, and go on."""

        def take(runs: tuple[RunSummary, ...]) -> None:
            for panel in (self.train, self.reconstructions, self.runs):
                panel.show_runs(runs)
            if choose is not None:
                self.runs.choose(choose)
            if then is not None:
                then()

        folder = self.preferences.runs
        self.runs.show_folder(folder)
        listing = work.listing(folder)
        self.desk.read(Job("List runs", listing, is_silent=True), take)

    def choose_workspace(self) -> None:
        """Let the user choose the folder that gets the runs."""
        now = str(self.preferences.workspace)
        chosen = QFileDialog.getExistingDirectory(self, "Folder that gets the runs", now)
        if not chosen:
            return
        if self._preferences is None:
            store_workspace(Path(chosen))  # and whoever listens lists the runs
        else:
            self._preferences = replace(self._preferences, workspace=Path(chosen))
            self.refresh_runs()

    def show_scores(self, run: RunSummary) -> None:
        """Read what a run scored so far."""
        job = Job(f"Scores of {run.name}", work.scores_of(run.folder), is_silent=True)
        self.desk.read(job, lambda scores: self.runs.show_scores(run, scores))

    def close_down(self) -> None:
        """Stop jobs and wait a little; what they did so far is on disk."""
        if self._is_open:
            self._is_open = False
            if self._stop_following is not None:
                self._stop_following()
            self.scene.close()
            self.desk.close()

    # what comes back

    def _show_place(self, place: str) -> None:
        self.place.setText(place)

    def _take_cohort(self, cohort: Cohort) -> None:
        self.scene.clear()
        self.reconstructions.clear()
        self.session.open(cohort)

    def _take_series(self, subject: Subject, found: DicomFolder | None) -> None:
        if subject in (*self.session.subjects, *self.session.refused):
            self.data.show_series(subject, found)

    def _preview(self, dialog: SortingDialog, subject: Subject, options: SortOptions) -> None:
        def take(found: DicomFolder) -> None:
            with suppress(RuntimeError):  # the dialog was closed meanwhile
                dialog.take(options, found)

        job = Job(f"Sort {subject.id}", work.listing_series(subject, options), is_silent=True)
        self.desk.read(job, take)

    def _take_sorted(self, subject: Subject, stack: CineStack) -> None:
        places = [each.place for each in (*self.session.subjects, *self.session.refused)]
        if subject.place not in places:
            return  # another cohort was opened meanwhile
        try:
            self.session.take_sorted(subject, stack.problems)
        except CmrSspError as error:
            self.job_bar.show_problems(error.problems)
            return
        self.show_exam(subject)

    def _take_exam(self, exam: Exam) -> None:
        if not any(exam.is_of(subject) for subject in self.session.subjects):
            return  # another cohort was opened meanwhile
        self.reconstructions.clear()
        self.scene.show_exam(exam)
        self.session.exam = exam
        for result in self.results.of(exam):
            if not self.scene.is_edited(exam, result.run):
                self._show_result(exam, result)

    def _read_dropped(self, layer: Any) -> None:
        """Make a cine that napari opened by itself the shown exam."""
        reading = work.reading_dropped(Path(layer.metadata["sources"][0]))
        self.desk.read(Job(f"Read {layer.name}", reading), lambda exam: self._take_dropped(exam, layer))

    def _take_dropped(self, exam: Exam, layer: Any) -> None:
        if self.scene.take_dropped(exam, layer):
            self.reconstructions.clear()
            self.session.exam = exam

    def _take_segmented(self, run: RunSummary, found: list[Result]) -> None:
        exam = self.session.exam
        for result in found:
            self.results.add(result)
            if exam is not None and exam.is_of(result.subject):
                self._show_result(exam, result)
        unseen = [one for one in found if exam is None or not exam.is_of(one.subject)]
        self.job_bar.tell_saved([result.file for result in found], n_unseen=len(unseen))
        self._show_scored(run)

    def _show_result(self, exam: Exam, result: Result) -> None:
        def take(found: FoundLabels | None) -> None:
            if found is not None and self.session.exam is exam:
                about = {"file": str(result.file), "checkpoint": found.checkpoint}
                self.scene.show_prediction(exam, found.labels, result.run, **about)

        reading = work.reading_result(result, exam)
        self.desk.read(Job(f"Read {result.file.name}", reading, is_silent=True), take)

    def _show_put_away(self, name: str) -> None:
        from napari.utils.notifications import show_info

        show_info(f"'{name}' is put away with its exam, and comes back when that exam is shown again.")

    def _show_scored(self, run: RunSummary) -> None:
        self.show_scores(run)
        self.refresh_runs()

    def _take_rebuilt(self, exam: Exam, found: Reconstruction | None) -> None:
        if found is not None and self.session.exam is exam:
            self.scene.show_reconstruction(exam, found)
            self.reconstructions.show_result(found)

    def _take_records(self, records: Records) -> None:
        self.session.exam = None
        self.scene.show_records(records)
        self.reconstructions.show_records(records)

    def _segment(self, run: RunSummary, subjects: Sequence[Subject]) -> None:
        found: list[Result] = []  # files, since labels of many cines would fill the memory

        def keep(one: SegmentedSubject) -> None:
            assert one.file is not None  # an output folder is named
            found.append(Result(one.subject, run.name, one.file))

        output = run.folder / "segmentations"
        doing = work.segmenting(run.folder, subjects, self.preferences, keep, output)
        whom = f"{len(subjects)} subjects" if len(subjects) > 1 else subjects[0].id
        where = f"files in {run.name}/{output.name}"
        job = Job(f"Segment {whom} by {run.name}", doing, result=where, result_folder=output)
        self.desk.compute(job, lambda _: self._take_segmented(run, found), even_if_failed=True)

    def _run_ended(self, folder: Path) -> None:
        self.train.release(folder)
        self.refresh_runs(folder)

    def _show_reading(self, text: str) -> None:
        if text:
            self.place.setText(text)
        else:
            self.scene.tell_place()

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
        under = QHBoxLayout()
        under.setContentsMargins(0, 0, 6, 0)
        under.addWidget(self.place, stretch=1)
        under.addWidget(self.save)
        layout.addLayout(under)
        layout.addWidget(self.job_bar)

    def _connect(self) -> None:
        self.data.folder_chosen.connect(self.open_cohort)
        self.data.phantoms_asked.connect(self.open_phantoms)
        self.data.exam_asked.connect(self.show_exam)
        self.data.series_asked.connect(self.list_series)
        self.data.choice_asked.connect(self.ask_how_to_open)
        self.train.start_asked.connect(self._start)
        self.runs.refresh_asked.connect(lambda: self.refresh_runs())
        self.runs.workspace_asked.connect(self.choose_workspace)
        self.runs.run_chosen.connect(self.show_scores)
        self.runs.segment_shown_asked.connect(self.segment_shown)
        self.runs.segment_selected_asked.connect(self.segment_selected)
        self.runs.score_asked.connect(self.score)
        self.runs.resume_asked.connect(self.resume)
        self.reconstructions.rebuild_asked.connect(self.rebuild)
        self.reconstructions.records_asked.connect(self.show_records)
        self.reconstructions.part_chosen.connect(self.scene.show_part)
        self.scene.moved.connect(self._show_place)
        self.scene.put_away.connect(self._show_put_away)
        self.scene.dropped.connect(self._read_dropped)
        self.scene.find_dropped()
        self.desk.run_told.connect(self.train.curves.take)
        self.desk.run_ended.connect(self._run_ended)
        self.desk.reading.connect(self._show_reading)
        self.scene.follow_theme(self.train.curves.set_colours)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close_down)

    def _start(self, plan: work.TrainingPlan) -> None:
        self.start_training(plan, pretrains=self.train.pretrains)
