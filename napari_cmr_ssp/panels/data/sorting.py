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
    """Lists the series of DICOM exams and sorts exams, for the Data panel.

    Parameters
    ----------
    context : Context
        Shared context.
    view : DataView
        Panel view that shows series and creates the dialog.
    show_exam : callable
        Called with a subject whose exam was sorted.
    """

    def __init__(self, context: Context, view: DataView, show_exam: Callable[[Subject], None]) -> None:
        self._session, self._desk = context.session, context.desk
        self._view, self._show_exam = view, show_exam
        view.series_requested.connect(self.list_series)
        view.choice_requested.connect(self.ask_how_to_open)

    def list_series(self, subject: Subject) -> None:
        """List the series of a DICOM exam in the background."""
        job = Job(f"Series of {subject.id}", work.listing_series(subject), is_silent=True)
        self._desk.read(job, lambda series: self._on_series_read(subject, series))

    def ask_how_to_open(self, subject: Subject) -> None:
        """Open the dialog for sorting a DICOM exam."""
        dialog = self._view.sorting_dialog(subject)
        dialog.preview_requested.connect(lambda subject, options: self._preview(dialog, subject, options))
        dialog.open_requested.connect(self.open_sorted)
        self._preview(dialog, subject, dialog.options)
        dialog.open()

    def open_sorted(self, subject: Subject, options: SortOptions) -> None:
        """Open a DICOM exam with chosen options, and show it."""
        self._desk.clear()
        sorting = work.sorting_exam(subject, options)
        self._desk.read(Job(f"Open {subject.id}", sorting), lambda result: self._on_exam_sorted(*result))

    def _on_series_read(self, subject: Subject, folder: DicomFolder | None) -> None:
        if subject in (*self._session.subjects, *self._session.refused):
            self._view.show_series(subject, folder)

    def _preview(self, dialog: SortingDialog, subject: Subject, options: SortOptions) -> None:
        def on_listed(folder: DicomFolder) -> None:
            with suppress(RuntimeError):  # the dialog was closed
                dialog.show_preview(options, folder)

        job = Job(f"Sort {subject.id}", work.listing_series(subject, options), is_silent=True)
        self._desk.read(job, on_listed)

    def _on_exam_sorted(self, subject: Subject, stack: CineStack) -> None:
        places = [each.place for each in (*self._session.subjects, *self._session.refused)]
        if subject.place not in places:
            return  # another cohort is open
        try:
            self._session.add_sorted(subject, stack.problems)
        except CmrSspError as error:
            self._desk.show_problems(error.problems)
            return
        self._show_exam(subject)
