"""Pseudonyms of exams and people: they reveal nothing and are the same on every machine."""

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
_KEPT = 1024  # cached ids
_MOST_BYTES = 2**20  # read from each file
_MOST_FILES = 200  # read if there is no image


def exam_id(path: Path) -> str:
    """Return the id of the exam in a folder, zip archive or DICOM file: ``exam-`` and eight digits.

    The digits are a digest of the unique identifiers (study, series, instance) of all images, or of the
    content of images without identifiers. They do not depend on file names or on data about the person.
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
    """Return the pseudonym for a set of identifiers, independent of their order."""
    digest = hashlib.sha256(_DOMAIN)
    for part in sorted(set(parts)):
        digest.update(part.encode() + b"\0")
    return f"exam-{int.from_bytes(digest.digest()[:8], 'big') % 10**_DIGITS:0{_DIGITS}d}"


def identifiers(planes: Iterable[Plane]) -> Iterator[str]:
    """Yield a globally unique identifier of each image."""
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
    """Yield a digest of the first bytes of each file, for exams without readable images."""
    files = islice(files_below(path), _MOST_FILES) if is_folder(path) else [path]
    for file in filter(is_regular, files):
        try:
            with file.open("rb") as content:
                yield hashlib.sha256(content.read(_MOST_BYTES)).hexdigest()
        except OSError:
            continue
