"""All headers of an exam, read once for as long as its files stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cmr_ssp.files.dicom.candidates import Candidate, find_candidates
from cmr_ssp.files.dicom.headers import read_planes
from cmr_ssp.files.dicom.planes import Plane
from cmr_ssp.files.dicom.sources import list_files, reading

_KEPT = 256  # exams: listing a cohort opens each of them several times


@dataclass(frozen=True, slots=True, eq=False)
class ExamHeaders:
    """What the headers of an exam say.

    Attributes
    ----------
    candidates : tuple of Candidate
        Everything with a geometry, the stacks with the most slices first.
    n_damaged, n_unsafe : int
        Number of files that cannot be read, and of members whose names lead out of their archive.
    """

    candidates: tuple[Candidate, ...]
    n_damaged: int
    n_unsafe: int

    @property
    def planes(self) -> list[Plane]:
        """All images of the exam."""
        return [plane for candidate in self.candidates for plane in candidate.planes]


@lru_cache(maxsize=_KEPT)
def read_exam(path: Path, about: tuple[object, ...]) -> ExamHeaders:
    """Read all headers; `about` (see `signature`) is in the call so that a changed exam is read again.

    Raises
    ------
    ImageError
        Where it is missing, no folder nor archive, or larger than any exam.
    """
    del about
    refs, n_unsafe = list_files(path)
    planes: list[Plane] = []
    n_damaged = 0
    with reading() as reader:
        for ref in refs:
            found = read_planes(reader, ref)
            n_damaged += found is None
            planes += found or ()
    return ExamHeaders(tuple(find_candidates(planes)), n_damaged, n_unsafe)
