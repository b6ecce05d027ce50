"""Every data set convention that is known: a new one is a module beside this one, and a line here."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cmr_ssp.errors import Problem
from cmr_ssp.files.layouts import acdc, dicom_exams, mnms, mnms2, nnunet, plain, sunnybrook, sunnybrook_exams
from cmr_ssp.subjects import Subject


class Layout(Protocol):
    """What the module of a data set convention offers."""

    NAME: str
    EXPECTS: str

    def recognises(self, folder: Path) -> bool:
        """Return whether `folder` is laid out this way."""

    def list_subjects(self, folder: Path) -> tuple[list[Subject], list[Problem]]:
        """List the subjects in `folder` by names, tables and headers."""


LAYOUTS: tuple[Layout, ...] = (acdc, mnms, mnms2, sunnybrook, sunnybrook_exams, nnunet, dicom_exams, plain)
"""In the order in which they are tried: the plainest comes last."""

TOGETHER = {mnms.NAME, mnms2.NAME}
"""Data sets that may lie side by side: made to be used as one, they number alike and share no id."""

OF_DICOM: tuple[Layout, ...] = (sunnybrook_exams, dicom_exams)
"""Those whose images are DICOM."""

ARCHIVES: Layout = dicom_exams
"""The one that a zip archive is listed by."""
