"""All headers of an exam, read once for as long as its files stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cmr_ssp.files.dicom.candidates import Candidate, find_candidates
from cmr_ssp.files.dicom.headers import read_planes
from cmr_ssp.files.dicom.left_out import Fault, LeftOut, name_of
from cmr_ssp.files.dicom.planes import Plane
from cmr_ssp.files.dicom.reader import reading
from cmr_ssp.files.dicom.sources import list_files

_KEPT = 256  # exams: listing a cohort opens each of them several times


@dataclass(frozen=True, slots=True, eq=False)
class ExamHeaders:
    """What the headers of an exam say.

    Attributes
    ----------
    candidates : tuple of Candidate
        Everything with a geometry, the stacks with the most slices first.
    left_out : tuple of LeftOut
        Files that cannot or must not be read.
    """

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...] = ()

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
        If it is missing, no folder nor archive, or larger than any exam.
    """
    del about
    listing = list_files(path)
    planes: list[Plane] = []
    left_out = list(listing.left_out)
    with reading() as reader:
        for number, ref in enumerate(listing.refs, start=1):
            found = read_planes(reader, ref)
            if isinstance(found, Fault):
                left_out.append(LeftOut(found, name_of(ref.name, number, len(listing.refs))))
            else:
                planes += found
    return ExamHeaders(tuple(find_candidates(planes)), tuple(left_out))
