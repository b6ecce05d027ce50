"""Subjects: a person's examination, described without its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cmr_ssp.anatomy import Numbering, Phase, phase_named
from cmr_ssp.errors import Problem, is_text
from cmr_ssp.subjects.sorting import SortOptions
from cmr_ssp.subjects.sources import DrawingSource, ExamSource, ImageSource


class Origin(StrEnum):
    """Origin of labels: a data set, drawn by hand, another program, an edited prediction, or a prediction."""

    DATA_SET = "data set"
    MANUAL = "manual"
    IMPORTED = "imported"
    CORRECTED = "corrected"
    PREDICTED = "predicted"


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Source of the labels of one phase on disk.

    Attributes
    ----------
    phase : Phase
        The labelled phase.
    listed_frame : int
        0-based frame of the subject's stack according to names and tables, which may be wrong; a
        `ResolvedLabel` has the confirmed one.
    source : DrawingSource
        Label file (and frame within it, if it is 4D), or contours.
    numbering : Numbering
        Meaning of the numbers in the file.
    drawn_on : Path or None
        Separate 3D image of the labels if only its pixels define the frame; None in a `ResolvedLabel`.
    origin : Origin
        Origin of the labels.
    corrected_from : tuple of str
        SHA-256 of every checkpoint from whose predictions these labels descend; empty unless corrected.
    """

    phase: Phase
    listed_frame: int
    source: DrawingSource
    numbering: Numbering
    drawn_on: Path | None = None
    origin: Origin = Origin.DATA_SET
    corrected_from: tuple[str, ...] = ()

    @property
    def stated_frame(self) -> int | None:
        """The listed frame; None if only the pixels define it."""
        return None if self.drawn_on else self.listed_frame


@dataclass(frozen=True, slots=True)
class ResolvedLabel(LabelSource):
    """A `LabelSource` whose frame the pixels have confirmed."""

    @property
    def frame(self) -> int:
        """The 0-based frame of the subject's stack to which the labels belong."""
        return self.listed_frame


@dataclass(frozen=True, slots=True)
class Subject:
    """A listed subject: id, vendor, paths and labelled phases, from names, tables and headers.

    `cmr_ssp.files.resolve_subject` reads the pixels and returns a `ResolvedSubject`.

    Attributes
    ----------
    id : str
        Unique within its cohort.
    frames : tuple of ImageSource
        Frames of the cine in temporal order; frame ``t`` of the stack is read from ``frames[t]``. A cohort
        with only ED and ES has two.
    labels : tuple of LabelSource
        At most one per phase; empty if the subject is not labelled.
    vendor, group : str or None
        Scanner vendor and diagnostic group, if known.
    sorting : SortOptions or None
        Options chosen for the DICOM exam; None for the defaults.
    """

    id: str
    frames: tuple[ImageSource, ...]
    labels: tuple[LabelSource, ...] = ()
    vendor: str | None = None
    group: str | None = None
    sorting: SortOptions | None = None

    @property
    def names_files(self) -> bool:
        """Whether the id is safe as a file name and as a cell of a table."""
        leads_away = self.id.startswith(".") or ".." in self.id or set(self.id) & set("/\\:\0")
        return bool(self.id) and not leads_away and not is_formula(self.id) and is_text(self.id)

    @property
    def place(self) -> Path | None:
        """Path of its first frame: the folder or archive of a DICOM exam."""
        return self.frames[0].path if self.frames else None

    @property
    def is_exam(self) -> bool:
        """Whether its cine is a DICOM exam, whose path may name a person."""
        return bool(self.frames) and isinstance(self.frames[0], ExamSource)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The labelled phases, in the order of `labels`."""
        return tuple(label.phase for label in self.labels)

    def label(self, phase: Phase | str) -> LabelSource | None:
        """Return the labels of `phase`, such as ``"ED"``, or None if it is not labelled."""
        wanted = phase_named(phase)
        return next((label for label in self.labels if label.phase is wanted), None)


@dataclass(frozen=True, slots=True)
class ResolvedSubject(Subject):
    """A resolved subject: the pixels have confirmed the frame of every label.

    Training, evaluation, exports and the display of labels take this type; `cmr_ssp.files.resolve_subject`
    creates it.

    Attributes
    ----------
    labels : tuple of ResolvedLabel
        At most one per phase.
    problems : tuple of Problem
        Warnings about corrected frames and dropped labels.
    """

    labels: tuple[ResolvedLabel, ...] = ()
    problems: tuple[Problem, ...] = ()


def is_formula(cell: str) -> bool:
    """Return whether a spreadsheet would evaluate a cell as a formula."""
    return cell.startswith(("=", "+", "-", "@", "\t", "\r"))
