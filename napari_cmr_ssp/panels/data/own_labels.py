"""Follows which label versions and drafts of the user exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cmr_ssp.subjects import Subject

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.io.own_labels import OwnByPhase, own_labels
from napari_cmr_ssp.jobs.job import Job

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.data.view import DataView


class OwnLabelsList:
    """Lists the user's own labels of a cohort when it is opened, and of a subject when they change.

    Parameters
    ----------
    context : Context
        Session, desk and preferences.
    view : DataView
        Shows them.
    """

    def __init__(self, context: Context, view: DataView) -> None:
        self._session, self._desk, self._view = context.session, context.desk, view
        self._preferences = context.preferences
        context.session.events.cohort.connect(self.list_all)
        context.session.labels_kept.connect(self._list_one)
        context.preferences.changed.connect(self.list_all)

    def list_all(self) -> None:
        """List the labels of the whole cohort in the background."""
        self._list(self._session.subjects)

    def _list_one(self, subject_id: str) -> None:
        self._list([subject for subject in self._session.subjects if subject.id == subject_id])

    def _list(self, subjects: Sequence[Subject]) -> None:
        if not subjects:
            return
        cohort, workspace = self._session.cohort, self._preferences.now.workspace

        def work(*_: object) -> dict[str, OwnByPhase]:
            return own_labels(subjects, workspace / "labels", workspace / "drafts")

        def on_listed(found: dict[str, OwnByPhase]) -> None:
            if self._session.cohort is cohort:
                self._view.show_own_labels(found)

        self._desk.read(Job("List own labels", work, is_silent=True), on_listed)
