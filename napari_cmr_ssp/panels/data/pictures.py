"""Reads the small pictures of the rows in sight, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cmr_ssp.subjects import Subject
from numpy.typing import NDArray

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.io.pictures import picture_or_none
from napari_cmr_ssp.jobs.job import Job

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.data.view import DataView


class Pictures:
    """Reads pictures of what the table shows; what leaves it before its turn is not read.

    One picture at a time is in the queue of the reader, so that opening an exam waits for no more than one.

    Parameters
    ----------
    context : Context
        Session and desk.
    view : DataView
        Says which subjects are in sight without a picture, and shows it.
    """

    def __init__(self, context: Context, view: DataView) -> None:
        self._session, self._desk, self._view = context.session, context.desk, view
        self._wanted: list[Subject] = []
        self._is_reading = False
        view.pictures_wanted.connect(self.want)
        context.session.events.cohort.connect(lambda: self.want(()))

    def want(self, subjects: tuple[Subject, ...]) -> None:
        """Read the pictures of these subjects next, and no others."""
        self._wanted = list(subjects)
        self._read_next()

    def _read_next(self) -> None:
        if self._is_reading or not self._wanted:
            return
        subject, cohort = self._wanted.pop(0), self._session.cohort
        self._is_reading = True

        def on_read(picture: NDArray[np.uint8] | None) -> None:
            self._is_reading = False
            if self._session.cohort is cohort:
                self._view.show_picture(subject, picture)
            self._read_next()

        reading = Job(f"Picture of {subject.id}", lambda *_: picture_or_none(subject), is_silent=True)
        self._desk.read(reading, on_read)
