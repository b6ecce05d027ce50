"""Leads to a first model: draw by hand, bring in a run, or build a starter model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.runs import BroughtIn, only_phantoms

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.jobs.first_model import bringing_in_job, planning_starter, starter_job
from napari_cmr_ssp.jobs.job import Job

if TYPE_CHECKING:
    from cmr_ssp.jobs import Starter

    from napari_cmr_ssp.panels.runs.view import RunsView

_NO_MODEL = "No run here can segment an exam yet."
_ONLY_PHANTOMS = "The runs here know only synthetic hearts and find nothing in patients."


class FirstModel:
    """Offers the ways to a model while no run can segment the shown exam, and follows the chosen one.

    Parameters
    ----------
    context : Context
        Shared context.
    view : RunsView
        Shows the offer, and asks the user.
    refresh : callable
        Lists the runs again; its argument is the run to select.
    """

    def __init__(self, context: Context, view: RunsView, refresh: Callable[[Path | None], None]) -> None:
        self._session, self._desk, self._preferences = context.session, context.desk, context.preferences
        self._view, self._refresh = view, refresh
        events = context.session.events
        for event in (events.runs, events.exam, events.cohort):
            event.connect(self.update)
        view.models.drawing_requested.connect(context.session.request_drawing)
        view.models.place_chosen.connect(self.bring_in)
        view.models.data_set_chosen.connect(self.plan_starter)
        view.models.starter_accepted.connect(self.build_starter)
        self.update()

    def update(self) -> None:
        """Show or hide the offer."""
        self._view.models.offer(self._lacking())

    def bring_in(self, place: Path) -> None:
        """Copy a run from elsewhere into the workspace and select it."""
        job = bringing_in_job(place, self._preferences.now.runs, self._desk.reserved)

        def on_ended(found: BroughtIn | None) -> None:
            if found is not None:  # None if it was stopped
                self._refresh(found.folder)

        self._desk.compute(job, on_ended)

    def plan_starter(self, folder: Path) -> None:
        """Find out what a starter model on a data set takes, and ask whether to build it."""
        self._desk.clear()
        planning = planning_starter(folder, self._preferences.now)
        self._desk.read(Job(f"Look at {folder.name}", planning), self._view.models.ask_to_build)

    def build_starter(self, starter: Starter) -> None:
        """Queue the training of a starter model; the shown exam and the cohort stay."""
        self._desk.compute(starter_job(starter, self._preferences.now, self._desk.reserved))

    def _lacking(self) -> str:
        """Return why no run can segment the shown exam or, without one, the cohort; empty if one can."""
        session = self._session
        if session.runs is None:
            return ""
        shown = [session.exam.subject] if session.exam is not None else session.subjects
        models = [run for run in session.runs if run.segments]
        for_phantoms = only_phantoms([subject.id for subject in shown])
        if any(for_phantoms or not run.knows_only_phantoms for run in models):
            return ""
        return _ONLY_PHANTOMS if models else _NO_MODEL
