"""Read all headers of an exam, and cache them while its files are unchanged."""

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

_KEPT = 256  # exams; listing a cohort opens each of them several times


@dataclass(frozen=True, slots=True, eq=False)
class ExamHeaders:
    """The content of an exam according to its headers.

    Attributes
    ----------
    candidates : tuple of Candidate
        All images with a geometry, sorted by decreasing number of slices.
    left_out : tuple of LeftOut
        Files that cannot or must not be read.
    """

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def planes(self) -> list[Plane]:
        """All planes of the exam."""
        return [plane for candidate in self.candidates for plane in candidate.planes]


@lru_cache(maxsize=_KEPT)
def read_exam(path: Path, about: tuple[object, ...]) -> ExamHeaders:
    """Read all headers of an exam; `about` (see `stamps`) is a cache key, so that changed exams are reread.

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
