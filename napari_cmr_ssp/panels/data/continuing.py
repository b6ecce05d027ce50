"""Remembers what was open, for the menu of recent folders and for continuing after a restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.errors import Problem
from cmr_ssp.subjects import Split, Subject

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.io.memory import MAX_RECENT, LastState, Recalled, remember
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.session import Session

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.data.opening_row import OpeningRow

_MAX_NAMED = 3


class Continuing:
    """Stores what is open in the workspace, and offers it after a restart, for the Data panel.

    Files are read by a job and written by another thread.

    Parameters
    ----------
    context : Context
        Shared context.
    view : OpeningRow
        Shows recent folders and files, and the button to continue.
    continue_with : callable
        Called with the state that the user continues with.
    """

    def __init__(
        self, context: Context, view: OpeningRow, continue_with: Callable[[LastState], None]
    ) -> None:
        self._session, self._desk, self._preferences = context.session, context.desk, context.preferences
        self._view, self._continue_with = view, continue_with
        self._opened: tuple[Path, ...] = ()
        self._recent: tuple[Path, ...] = ()
        self._dropped: tuple[str, Path] | None = None
        self._last: LastState | None = None
        self._workspace: Path | None = None
        view.recent_requested.connect(self.list_recent)
        view.continue_requested.connect(self._on_continue)
        events = context.session.events
        for changed in (events.cohort, events.split, events.ticks, events.exam, events.tab):
            changed.connect(self._store)
        context.preferences.changed.connect(self._recall)
        self._recall()

    def note_opened(self, place: Path) -> None:
        """Put what the user opened at the top of the recent folders and files."""
        self._opened = tuple(dict.fromkeys([place, *self._opened]))
        self._recent = tuple(dict.fromkeys([place, *self._recent]))[:MAX_RECENT]
        self._view.show_recent(self._recent)
        self._store()

    def note_dropped(self, exam: Exam, place: Path) -> None:
        """Note the file or folder of an exam that was dropped on the canvas."""
        self._dropped = (exam.key, place)
        self.note_opened(place)

    def restore(self, last: LastState) -> Subject | None:
        """Restore tab, split and ticks of the open cohort, report what does not fit, and return the exam."""
        problems = restore_session(self._session, last)
        exam = next((each for each in self._session.subjects if each.id == last.exam), None)
        if last.exam is not None and exam is None:
            problems.append(_warning(last, f"{last.exam} was shown last and is missing or refused"))
        self._desk.show_problems(problems)
        self._session.tab = last.tab
        return exam

    def list_recent(self) -> None:
        """Leave out recent folders and files that are gone."""
        workspace, opened = self._preferences.now.workspace, self._opened
        job = Job("Recent folders", work.recalling(workspace, opened), is_silent=True)
        self._desk.read(job, partial(self._show_recent, opened))

    def _recall(self) -> None:
        """Read the memory of the workspace, if it is another one."""
        workspace = self._preferences.now.workspace
        if workspace != self._workspace:
            self._workspace = workspace
            job = Job("Recent folders", work.recalling(workspace, self._opened), is_silent=True)
            self._desk.read(job, partial(self._offer, workspace, self._opened))

    def _show_recent(self, opened: Sequence[Path], recalled: Recalled) -> None:
        if opened == self._opened:  # otherwise more was opened meanwhile
            self._recent = recalled.recent
            self._view.show_recent(self._recent)

    def _offer(self, workspace: Path, opened: Sequence[Path], recalled: Recalled) -> None:
        """Offer to continue, unless the user has opened something."""
        if workspace != self._workspace:
            return
        self._show_recent(opened, recalled)
        self._last = recalled.last if self._state is None else None
        if self._last is None:
            self._view.withdraw_last()
        else:
            self._view.offer_last(self._last.place, self._last.exam)
        if recalled.problems and self._state is None:
            self._desk.show_problems(recalled.problems)

    def _on_continue(self) -> None:
        self._view.withdraw_last()
        if self._last is not None:
            self._continue_with(self._last)

    def _store(self) -> None:
        last = self._state
        if last is not None:
            self._view.withdraw_last()
        if last is not None or self._opened:
            self._desk.write_soon(partial(remember, self._preferences.now.workspace, self._opened, last))

    @property
    def _state(self) -> LastState | None:
        """What to continue with; None if nothing is open."""
        session, exam = self._session, self._session.exam
        if session.cohort is None:
            if exam is None or self._dropped is None or self._dropped[0] != exam.key:
                return None
            return LastState(place=self._dropped[1], exam=exam.subject.id, tab=session.tab)
        is_shown = exam is not None and any(exam.belongs_to(each) for each in session.subjects)
        return LastState(
            place=session.cohort.root,
            exam=exam.subject.id if exam is not None and is_shown else None,
            tab=session.tab,
            seed=session.split.seed,
            roles=dict(session.split.roles),
            ticks={name: tuple(sorted(phases)) for name, phases in session.ticks.items()},
        )


def restore_session(session: Session, last: LastState) -> list[Problem]:
    """Restore split and ticks for the open cohort; return warnings about what no longer fits.

    New subjects keep the role that was drawn when the cohort was opened.
    """
    ids = {subject.id for subject in session.subjects}
    known = {name: role for name, role in last.roles.items() if name in ids}
    gone, new = sorted(set(last.roles) - ids), sorted(ids - set(known))
    seed = last.seed if not gone and not new else None
    ticks = {name: frozenset(phases) for name, phases in last.ticks.items()}
    session.use_split(Split({**session.split.roles, **known}, seed), ticks)
    lost = sum(map(len, last.ticks.values())) - sum(map(len, session.ticks.values()))
    problems = []
    if gone:
        problems.append(_warning(last, f"{_named(gone)} of last time are missing or refused"))
    if new and last.roles:
        problems.append(_warning(last, f"{_named(new)} are new, with a role that was drawn now"))
    if lost:
        problems.append(_warning(last, f"{lost} ticked labels of last time cannot be used"))
    return problems


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else ""
    return ", ".join(ids[:_MAX_NAMED]) + more


def _warning(last: LastState, what: str) -> Problem:
    return Problem.warning(last.place, what, "Check the table under Data.")
