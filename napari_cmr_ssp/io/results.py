"""Segmentation files, and the exams that they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from glob import escape
from itertools import product
from pathlib import Path

import numpy as np
from cmr_ssp.files import open_cine
from cmr_ssp.files.labels.marks import read_mark
from cmr_ssp.files.labels.reading import to_structures
from cmr_ssp.files.labels.writing import written_numbering
from cmr_ssp.runs import CheckpointName, RunSummary
from cmr_ssp.subjects import Subject
from numpy.typing import NDArray

from napari_cmr_ssp.scene.exams import Exam

FOLDERS: dict[CheckpointName, str] = {"last": "segmentations", "best": "segmentations-best"}
"""Folders in a run; the checkpoints do not overwrite each other's files."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredLabels:
    """Stored segmentation, shape (frame, slice, row, column), and the SHA-256 of their checkpoint."""

    labels: NDArray[np.uint8]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Result:
    """A segmentation on disk.

    Attributes
    ----------
    subject : Subject
        Segmented subject.
    run : str
        Name of the run.
    file : Path
        Segmentation file.
    """

    subject: Subject
    run: str
    file: Path

    def read(self, exam: Exam) -> StoredLabels | None:
        """Read the file; return None if it now belongs to another exam."""
        return read_stored(self.file, exam)


def read_stored(file: Path, exam: Exam) -> StoredLabels | None:
    """Read a segmentation of an exam that this program wrote; return None for any other file.

    Raises
    ------
    CmrSspError
        If the file cannot be read.
    """
    mark, numbering = read_mark(file), written_numbering(file)
    if mark is None or mark.cine != exam.fingerprint or numbering is None:
        return None
    return StoredLabels(to_structures(open_cine(file).load(), numbering, str(file)), mark.checkpoint)


def name_of(run: RunSummary, checkpoint: CheckpointName) -> str:
    """Return how a run is called in layers and jobs that use one of its checkpoints."""
    return run.name if checkpoint == "last" else f"{run.name} ({checkpoint})"


def find_newest(runs: Iterable[RunSummary], exam: Exam) -> Result | None:
    """Return the newest segmentation of an exam in the folders of runs, None if there is none."""
    subject, newest, newest_ns = exam.subject, None, 0
    for run, checkpoint in product(runs, FOLDERS):
        folder = run.folder / FOLDERS[checkpoint]
        for file in folder.glob(f"{escape(subject.id)}*_seg.nii.gz"):
            mark, written_ns = read_mark(file), file.stat().st_mtime_ns
            if mark is not None and mark.cine == exam.fingerprint and written_ns > newest_ns:
                newest, newest_ns = Result(subject, name_of(run, checkpoint), file), written_ns
    return newest


class Results:
    """The newest segmentation of each exam by each run."""

    def __init__(self) -> None:
        self._results: list[Result] = []

    def add(self, result: Result) -> None:
        """Add a file, replacing an earlier one of the same exam and run."""
        key = (result.subject, result.file.parent)
        self._results = [each for each in self._results if (each.subject, each.file.parent) != key] + [result]

    def move(self, old: Path, new: Path | None) -> None:
        """Follow the folder of a run that was renamed; None if it was deleted."""
        moved = [_moved(each, old, new) for each in self._results]
        self._results = [each for each in moved if each is not None]

    def for_exam(self, exam: Exam) -> list[Result]:
        """Return the segmentations of an exam, oldest first."""
        return [result for result in self._results if exam.belongs_to(result.subject)]


def _moved(result: Result, old: Path, new: Path | None) -> Result | None:
    if not result.file.is_relative_to(old):
        return result
    if new is None:
        return None
    return replace(result, run=new.name, file=new / result.file.relative_to(old))
