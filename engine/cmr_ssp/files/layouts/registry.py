"""Registry of layouts: a new layout is a module in this package and an entry here."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cmr_ssp.errors import Problem
from cmr_ssp.files.layouts import acdc, dicom_exams, mnms, mnms2, nnunet, plain, sunnybrook, sunnybrook_exams
from cmr_ssp.subjects import Subject


class Layout(Protocol):
    """Interface of the module of a layout."""

    NAME: str
    EXPECTS: str

    def recognises(self, folder: Path) -> bool:
        """Return whether `folder` has this layout."""

    def list_subjects(self, folder: Path) -> tuple[list[Subject], list[Problem]]:
        """List the subjects in `folder` by names, tables and headers."""


LAYOUTS: tuple[Layout, ...] = (acdc, mnms, mnms2, sunnybrook, sunnybrook_exams, nnunet, dicom_exams, plain)
"""All layouts in the order of recognition; the most general is last."""

TOGETHER = {mnms.NAME, mnms2.NAME}
"""Data sets that may be combined in one cohort: they have the same numbering and no common ids."""

OF_DICOM: tuple[Layout, ...] = (sunnybrook_exams, dicom_exams)
"""Layouts with DICOM images."""

ARCHIVES: Layout = dicom_exams
"""Layout of zip archives."""
