"""Keeps a draft of contours on disk while they are corrected, so that a crash loses only seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from cmr_ssp.atomic import keep_copy
from cmr_ssp.editing.drafts import Draft, draft_path, read_draft, write_draft
from cmr_ssp.editing.states import ContourStates
from cmr_ssp.errors import CmrSspError

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.io.own_labels import images_digest
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.exams import Exam

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Followed:
    """Contours of which a draft is kept."""

    exam: Exam
    about: Mapping[str, str]
    n_kept: int
    is_ours: bool
    """Whether the draft on disk is one of these contours."""


class DraftKeeper:
    """Writes drafts in the background and finds them again.

    Parameters
    ----------
    context : Context
        Session, desk and preferences.
    """

    def __init__(self, context: Context) -> None:
        self._session, self._desk, self._preferences = context.session, context.desk, context.preferences
        self._followed: WeakKeyDictionary[ContourLayer, _Followed] = WeakKeyDictionary()
        self._waiting: dict[_Followed, tuple[Path, Draft]] = {}
        self._writing = Lock()
        context.desk.closing.connect(self.flush)

    @property
    def folder(self) -> Path:
        """Where drafts lie."""
        return self._preferences.now.workspace / "drafts"

    def follow(
        self, exam: Exam, shown: ContourLayer, about: Mapping[str, str], *, is_saved: bool = False
    ) -> None:
        """Keep drafts of these contours from now on."""
        n_kept = shown.contours.n_changes if is_saved else -1
        self._followed[shown] = _Followed(exam, about, n_kept, is_saved)

    def keep(self, shown: ContourLayer | None) -> None:
        """Write a draft of contours that changed since the last one."""
        followed = self._take(shown) if shown is not None else None
        if followed is not None:
            keeping = Job("Keep a draft", lambda *_: self._write(followed), is_silent=True)
            subject = followed.exam.subject.id
            self._desk.read(keeping, lambda _: self._session.labels_kept.emit(subject))

    def flush(self) -> None:
        """Write the drafts of all contours that changed now, since no job runs any more."""
        for shown in list(self._followed):
            self._take(shown)
        for followed in list(self._waiting):
            try:
                self._write(followed)
            except CmrSspError as error:
                _LOG.warning("a draft was not kept: %s", error)
        with self._writing:  # the reader's thread may be in the middle of one, and end with the program
            pass

    def _take(self, shown: ContourLayer) -> _Followed | None:
        """Take a copy of contours to write, if they changed since the last one."""
        followed = self._followed.get(shown)
        if followed is None or shown.contours.n_changes in (0, followed.n_kept):
            return None
        followed.n_kept = shown.contours.n_changes
        states = ContourStates(shown.contours.states.array.copy())
        about = {**followed.about, "images": images_digest(followed.exam.subject)}
        draft = Draft(np.array(shown.contours.labels), states, about)
        self._waiting[followed] = self.folder, draft
        return followed

    def _write(self, followed: _Followed) -> None:
        """Write the newest draft that waits, if a later call has not written it before."""
        with self._writing:  # an older draft must not replace a newer one
            waiting = self._waiting.pop(followed, None)
            if waiting is None:
                return
            (folder, draft), cine = waiting, followed.exam.fingerprint
            path = draft_path(folder, cine)
            if not followed.is_ours and path.is_file():
                keep_copy(path)  # of earlier contours, which the user did not continue
            write_draft(folder, cine, draft)
            followed.is_ours = True

    def look(self, exam: Exam, then: Callable[[str], None]) -> None:
        """Tell when the draft of an exam was written, if it has one."""
        path = draft_path(self.folder, exam.fingerprint)

        def work(*_: object) -> str:
            if not path.is_file():
                return ""
            return datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")

        def take(when: str) -> None:
            if when:
                then(when)

        self._desk.read(Job("Look for a draft", work, is_silent=True), take)

    def read(self, exam: Exam, then: Callable[[Draft], None]) -> None:
        """Read the draft of an exam."""
        folder = self.folder

        def work(*_: object) -> Draft | None:
            return read_draft(folder, exam.fingerprint, exam.pixels.shape)

        def take(draft: Draft | None) -> None:
            if draft is not None:
                then(draft)

        self._desk.read(Job(f"Read the draft of {exam.subject.id}", work), take)
