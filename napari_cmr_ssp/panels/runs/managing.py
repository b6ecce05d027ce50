"""Renames and deletes runs, and writes their notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.errors import Problem
from cmr_ssp.runs import RunSummary

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.io.results import Results
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.jobs.run_folders import delete_run, rename_run, write_note

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.runs.view import RunsView

_REMEDY = "Wait until its jobs have ended, or cancel them."


class Managing:
    """Asks for the details of each change, and makes it in the background.

    Parameters
    ----------
    context : Context
        Shared context.
    view : RunsView
        Asks the user.
    results : Results
        Segmentations of the session; they follow the folders of their runs.
    refresh : callable
        Lists the runs again; its argument is the run to select.
    """

    def __init__(
        self, context: Context, view: RunsView, results: Results, refresh: Callable[[Path | None], None]
    ) -> None:
        self._session, self._desk = context.session, context.desk
        self._view, self._results, self._refresh = view, results, refresh
        view.rename_requested.connect(self.rename)
        view.note_requested.connect(self.note)
        view.delete_requested.connect(self.delete)

    def rename(self, run: RunSummary) -> None:
        """Ask for a name and rename the folder, unless a job uses it."""
        if self._is_used(run):
            return
        name = self._view.ask_for_name(run)
        if name is None or name == run.name or self._is_used(run):
            return
        if self._desk.uses(run.folder.with_name(name)):
            problem = Problem("run", f"'{name}' is the name of a waiting training", "Choose another name.")
            self._desk.show_problems([problem])
            return
        job = Job(f"Rename {run.name}", lambda *_: rename_run(run.folder, name))
        self._desk.read(job, lambda folder: self._on_moved(run.folder, folder))

    def note(self, run: RunSummary) -> None:
        """Ask for the note of a run and write it."""
        note = self._view.ask_for_note(run)
        if note is not None:
            job = Job(f"Note on {run.name}", lambda *_: write_note(run.folder, note), is_silent=True)
            self._desk.read(job, lambda _: self._refresh(run.folder))

    def delete(self, run: RunSummary) -> None:
        """Delete a run if the user confirms, unless a job uses it."""
        if self._is_used(run):
            return
        others = [each.name for each in self._session.runs or () if each.pretrained_from == run.name]
        if self._view.confirm_deletion(run, others) and not self._is_used(run):
            job = Job(f"Delete {run.name}", lambda *_: delete_run(run.folder))
            self._desk.read(job, lambda _: self._on_moved(run.folder, None))

    def _on_moved(self, old: Path, new: Path | None) -> None:
        self._results.move(old, new)
        if new is not None:
            self._desk.run_moved.emit(old, new)
        self._refresh(new)

    def _is_used(self, run: RunSummary) -> bool:
        """Return whether a running or waiting job uses a run; say so."""
        used = bool(self._desk.uses(run.folder))
        if used:
            self._desk.show_problems([Problem(run.name, "a running or waiting job uses it", _REMEDY)])
        return used
