"""Controller of the Runs panel: lists runs, and resumes, scores and segments with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.errors import Problem
from cmr_ssp.evaluation import Score
from cmr_ssp.recipes import is_pretraining
from cmr_ssp.runs import CheckpointName, RunSummary

from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.io.results import name_of
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.jobs.plans import FinetuningPlan, PretrainingPlan
from napari_cmr_ssp.panels.runs.first_model import FirstModel
from napari_cmr_ssp.panels.runs.managing import Managing
from napari_cmr_ssp.panels.runs.segmenting import Segmenting
from napari_cmr_ssp.session import RunScores

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.runs.view import RunsView


class RunsController:
    """Updates the list of runs in the session, and starts jobs with the selected run."""

    title: ClassVar[str] = "Runs"
    area: ClassVar[Area] = Area.TAB

    def __init__(self, context: Context, view: RunsView) -> None:
        self.view = view
        self._session, self._desk = context.session, context.desk
        self._preferences = context.preferences
        self.segmenting = Segmenting(context, self._show_scored)
        self.managing = Managing(context, view, self.segmenting.results, self.refresh)
        self.first_model = FirstModel(context, view, self.refresh)
        view.refresh_requested.connect(self.refresh)
        view.workspace_requested.connect(self.choose_workspace)
        view.run_chosen.connect(self.show_scores)
        view.segment_shown_requested.connect(self.segmenting.segment_shown)
        view.segment_selected_requested.connect(self.segmenting.segment_selected)
        view.score_requested.connect(self.score)
        view.resume_requested.connect(self.resume)
        view.volume_requested.connect(context.session.request_volume)
        context.session.events.runs.connect(view.show_runs)
        context.preferences.changed.connect(self.refresh)
        context.desk.run_ended.connect(self.refresh)
        self.refresh()

    @classmethod
    def make(cls, context: Context) -> Self:
        """Create the panel view and its controller."""
        from napari_cmr_ssp.panels.runs.view import RunsView

        return cls(context, RunsView())

    def refresh(self, choose: Path | None = None, then: Callable[[], None] | None = None) -> None:
        """List the runs of the workspace in the background, select one and call `then`."""

        def on_listed(runs: tuple[RunSummary, ...]) -> None:
            self._session.runs = runs
            if choose is not None:
                self.view.choose(choose)
            if self.view.selected_run is None:
                self._session.scores = None
            if then is not None:
                then()

        folder = self._preferences.now.runs
        self.view.show_folder(folder)
        self._desk.read(Job("List runs", work.listing_runs(folder), is_silent=True), on_listed)

    def choose_workspace(self) -> None:
        """Ask the user for the workspace."""
        chosen = self.view.ask_for_workspace(self._preferences.now.workspace)
        if chosen is not None:
            self._preferences.choose_workspace(chosen)

    def resume(self, run: RunSummary) -> None:
        """Continue a run."""
        cohort = self._session.cohort
        if cohort is None:
            self._show_problem("cohort", "none is open", "Open the run's cohort under Data.")
            return
        kind = PretrainingPlan if is_pretraining(run.method) else FinetuningPlan
        plan = kind(cohort=cohort, split=self._session.split, recipe=None, run_folder=run.folder)
        self._desk.compute(work.training_job(plan, self._preferences.now))

    def score(self, run: RunSummary, checkpoint: CheckpointName = "last") -> None:
        """Score a checkpoint of a run on all labelled subjects of the cohort."""
        cohort = self._session.cohort
        if cohort is None:
            self._show_problem("cohort", "none is open", "Open one under Data.")
            return
        scoring = work.scoring(run.folder, cohort, self._preferences.now, checkpoint)
        job = Job(f"Score {name_of(run, checkpoint)}", scoring, reads=run.folder)
        self._desk.compute(job, lambda _: self._show_scored(run, checkpoint), even_if_failed=True)

    def show_scores(self, run: RunSummary, checkpoint: CheckpointName = "last") -> None:
        """Read the scores of a checkpoint of a run in the background and show them."""
        name, reading = name_of(run, checkpoint), work.reading_scores(run.folder, checkpoint)
        job = Job(f"Scores of {name}", reading, is_silent=True)

        def on_read(scores: tuple[Score, ...]) -> None:
            self.view.show_scores(run, scores, name)
            self._session.scores = RunScores(name, scores)

        self._desk.read(job, on_read)

    def _show_scored(self, run: RunSummary, checkpoint: CheckpointName) -> None:
        self.show_scores(run, checkpoint)
        self.refresh()

    def _show_problem(self, where: str, what: str, remedy: str) -> None:
        self._desk.show_problems([Problem(where, what, remedy)])
