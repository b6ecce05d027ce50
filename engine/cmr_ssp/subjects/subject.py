"""One person's examination, described without its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cmr_ssp.anatomy import Numbering, Phase, phase_named
from cmr_ssp.errors import Problem, is_text
from cmr_ssp.subjects.sorting import SortOptions
from cmr_ssp.subjects.sources import DrawingSource, ExamSource, ImageSource


class Origin(StrEnum):
    """Where labels come from: a data set, a hand, another program, an edited prediction, a prediction."""

    DATA_SET = "data set"
    MANUAL = "manual"
    IMPORTED = "imported"
    CORRECTED = "corrected"
    PREDICTED = "predicted"


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where the labels of one phase lie on disk.

    Attributes
    ----------
    phase : Phase
        The labelled phase.
    frame : int
        0-based frame of the subject's stack that the labels belong to. Names and tables may be wrong about
        it: only that of a `ResolvedSubject` is certain.
    source : DrawingSource
        The label file (and frame within it, for 4D label files), or contours.
    numbering : Numbering
        What the numbers in the file mean.
    drawn_on : Path or None
        The 3D image that the labels were drawn on, where only a comparison with the frames of the cine
        tells which one it is; None in a `ResolvedSubject`.
    origin : Origin
        Where the labels come from.
    corrected_from : tuple of str
        SHA-256 of every checkpoint whose prediction these labels descend from; empty unless corrected.
    """

    phase: Phase
    frame: int
    source: DrawingSource
    numbering: Numbering
    drawn_on: Path | None = None
    origin: Origin = Origin.DATA_SET
    corrected_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """One person's examination as listed: ids, vendor, paths and labelled phases, told by names and headers.

    `cmr_ssp.files.resolve_subject` looks at the pixels and returns a `ResolvedSubject`.

    Attributes
    ----------
    id : str
        Unique within its cohort.
    frames : tuple of ImageSource
        The frames of the cine in temporal order; frame ``t`` of the stack is read from ``frames[t]``.
        A cohort that ships ED and ES only gives two.
    labels : tuple of LabelSource
        At most one per phase; empty where nobody labelled the subject.
    vendor, group : str or None
        Scanner vendor and diagnostic group, where the data set says so.
    sorting : SortOptions or None
        What somebody chose for the DICOM exam; None where nothing was to choose.
    """

    id: str
    frames: tuple[ImageSource, ...]
    labels: tuple[LabelSource, ...] = ()
    vendor: str | None = None
    group: str | None = None
    sorting: SortOptions | None = None

    @property
    def names_files(self) -> bool:
        """Whether the id can name a file without leading it out of its folder, and stand in a table."""
        leads_away = self.id.startswith(".") or ".." in self.id or set(self.id) & set("/\\:\0")
        return bool(self.id) and not leads_away and not is_formula(self.id) and is_text(self.id)

    @property
    def place(self) -> Path | None:
        """Where its first frame lies: the folder or archive of a DICOM exam."""
        return self.frames[0].path if self.frames else None

    @property
    def is_exam(self) -> bool:
        """Whether its cine is a DICOM exam, whose path may be named after a person."""
        return bool(self.frames) and isinstance(self.frames[0], ExamSource)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The labelled phases, in the order of `labels`."""
        return tuple(label.phase for label in self.labels)

    def label(self, phase: Phase | str) -> LabelSource | None:
        """Return the labels of `phase`, such as ``"ED"``, or None where nobody drew it."""
        wanted = phase_named(phase)
        return next((label for label in self.labels if label.phase is wanted), None)


@dataclass(frozen=True, slots=True)
class ResolvedSubject(Subject):
    """A subject whose labels were compared with the pixels: every `LabelSource.frame` is certain.

    Whatever trains, evaluates, exports or shows labels takes this type; `cmr_ssp.files.resolve_subject`
    makes it.

    Attributes
    ----------
    problems : tuple of Problem
        What the pixels corrected, and labels that were dropped (warnings).
    """

    problems: tuple[Problem, ...] = ()


def is_formula(cell: str) -> bool:
    """Tell whether spreadsheets would compute a cell of a table instead of showing it."""
    return cell.startswith(("=", "+", "-", "@", "\t", "\r"))
