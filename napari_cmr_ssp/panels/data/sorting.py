"""Lists the series of DICOM exams, and opens an exam that can be sorted in several ways."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cmr_ssp.errors import CmrSspError
from cmr_ssp.files.dicom import DicomFolder
from cmr_ssp.subjects import CineStack, SortOptions, Subject

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.jobs import work
from napari_cmr_ssp.jobs.job import Job

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.data.sorting_dialog import SortingDialog
    from napari_cmr_ssp.panels.data.view import DataView


class Sorting:
    """The part of the data panel that is about series.

    Parameters
    ----------
    context : Context
        Session and desk.
    view : DataView
        Shows series, and makes the dialog.
    show_exam : callable
        Shows a subject once it is sorted.
    """

    def __init__(self, context: Context, view: DataView, show_exam: Callable[[Subject], None]) -> None:
        self._session, self._desk = context.session, context.desk
        self._view, self._show_exam = view, show_exam
        view.series_asked.connect(self.list_series)
        view.choice_asked.connect(self.ask_how_to_open)

    def list_series(self, subject: Subject) -> None:
        """List what the DICOM exam of a subject holds."""
        job = Job(f"Series of {subject.id}", work.listing_series(subject), is_silent=True)
        self._desk.read(job, lambda found: self._take_series(subject, found))

    def ask_how_to_open(self, subject: Subject) -> None:
        """Let the user choose how a DICOM exam is sorted."""
        dialog = self._view.sorting_dialog(subject)
        dialog.preview_asked.connect(lambda subject, options: self._preview(dialog, subject, options))
        dialog.open_asked.connect(self.open_sorted)
        self._preview(dialog, subject, dialog.options)
        dialog.open()

    def open_sorted(self, subject: Subject, options: SortOptions) -> None:
        """Open a DICOM exam with chosen options, and show it."""
        self._desk.clear()
        doing = work.sorting(subject, options)
        self._desk.read(Job(f"Open {subject.id}", doing), lambda found: self._take_sorted(*found))

    def _take_series(self, subject: Subject, found: DicomFolder | None) -> None:
        if subject in (*self._session.subjects, *self._session.refused):
            self._view.show_series(subject, found)

    def _preview(self, dialog: SortingDialog, subject: Subject, options: SortOptions) -> None:
        def take(found: DicomFolder) -> None:
            with suppress(RuntimeError):  # the dialog was closed meanwhile
                dialog.take(options, found)

        job = Job(f"Sort {subject.id}", work.listing_series(subject, options), is_silent=True)
        self._desk.read(job, take)

    def _take_sorted(self, subject: Subject, stack: CineStack) -> None:
        places = [each.place for each in (*self._session.subjects, *self._session.refused)]
        if subject.place not in places:
            return  # another cohort was opened meanwhile
        try:
            self._session.take_sorted(subject, stack.problems)
        except CmrSspError as error:
            self._desk.refuse(error.problems)
            return
        self._show_exam(subject)
