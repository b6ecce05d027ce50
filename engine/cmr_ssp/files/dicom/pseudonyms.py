"""What exams and people are called: names that say nothing, and are the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from cmr_ssp.errors import ImageError
from cmr_ssp.files.dicom.exam_headers import read_exam
from cmr_ssp.files.dicom.planes import Plane
from cmr_ssp.files.dicom.reader import reading
from cmr_ssp.files.dicom.sources import files_below, stamps
from cmr_ssp.files.formats.folders import is_folder, is_regular

_DOMAIN = b"cmr-ssp exam id, version 1\0"
_DIGITS = 8
_KEPT = 1024  # exams whose ids are remembered
_MOST_BYTES = 2**20  # of each of these files
_MOST_FILES = 200  # looked at where no image says which one it is


def exam_id(path: Path) -> str:
    """Return what to call the exam in a folder, zip archive or DICOM file: ``exam-`` and eight digits.

    The digits come from a digest of the unique identifiers (study, series, instance) of all its images, or of
    the content of those without identifiers. Names of files and folders do not enter it, and neither does
    what the headers say of the person.
    """
    return _exam_id(path, stamps(path))


@lru_cache(maxsize=_KEPT)
def _exam_id(path: Path, about: tuple[object, ...]) -> str:
    try:
        planes = read_exam(path, about).planes
    except ImageError:
        planes = []
    return pseudonym(identifiers(planes) if planes else _contents(path))


def pseudonym(parts: Iterable[str]) -> str:
    """Return the name that belongs to some identifiers, whatever their order."""
    digest = hashlib.sha256(_DOMAIN)
    for part in sorted(set(parts)):
        digest.update(part.encode() + b"\0")
    return f"exam-{int.from_bytes(digest.digest()[:8], 'big') % 10**_DIGITS:0{_DIGITS}d}"


def identifiers(planes: Iterable[Plane]) -> Iterator[str]:
    """Return what tells each image from all others in the world."""
    nameless = set()
    for plane in planes:
        if plane.instance_uid:
            yield f"{plane.study} {plane.series} {plane.instance_uid}"
        else:
            nameless.add(plane.ref)
    with reading() as reader:
        for ref in nameless:
            with reader.whole(ref) as content:
                yield hashlib.sha256(content.read()).hexdigest()


def _contents(path: Path) -> Iterator[str]:
    """Return a digest of the beginning of each file of what holds no image, or of a damaged archive."""
    files = islice(files_below(path), _MOST_FILES) if is_folder(path) else [path]
    for file in filter(is_regular, files):
        try:
            with file.open("rb") as content:
                yield hashlib.sha256(content.read(_MOST_BYTES)).hexdigest()
        except OSError:
            continue
