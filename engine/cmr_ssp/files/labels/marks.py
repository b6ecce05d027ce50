"""What a segmentation file of ours says of itself: digests of its labels, of its cine and of the checkpoint.

They lie in a comment extension of the NIfTI header, and show whether somebody edited the labels since, and
whose they are, whatever the file is called.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import CmrSspError
from cmr_ssp.files.formats.nifti import UNREADABLE, NiftiHeader, read_header
from cmr_ssp.files.formats.pixels import read_stored
from cmr_ssp.subjects import Frames, Grid, same_affine

_KEY = "cmr-ssp segmentation"
_COMMENT = 6  # the code of plain text in a NIfTI extension
_HAS_EXTENSIONS = b"\1\0\0\0"


@dataclass(frozen=True, slots=True)
class LabelMark:
    """Where a segmentation file comes from.

    Attributes
    ----------
    labels : str
        SHA-256 of its numbers.
    cine : str
        `cine_digest` of what was segmented; empty where the writer did not know.
    checkpoint : str
        SHA-256 of the checkpoint that segmented; empty where a person drew or corrected.
    """

    labels: str
    cine: str = ""
    checkpoint: str = ""


class Kept(StrEnum):
    """Why a file is not replaced unasked."""

    FOREIGN = "it exists and is no segmentation of this program"
    OTHER_EXAM = "it is the segmentation of another exam"
    EDITED = "it was edited after this program wrote it"
    UNMARKED = "it was edited in another program, or made by an earlier version of this one"
    DRAWN = "a person drew or corrected it"


def cine_digest(pixels: Frames) -> str:
    """Return the SHA-256 of a cine, shape (frame, slice, row, column): size and every pixel."""
    return _digest(pixels.shape, (pixels[t].astype("<f4", copy=False) for t in range(pixels.shape[0])))


class Volumes(Protocol):
    """The numbers of a file in parts: an array, or what makes one volume at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As the whole array has it."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        ...

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Go through the parts in the order of the file."""
        ...


def labels_digest(numbers: Volumes) -> str:
    """Return the SHA-256 of a file's numbers, whatever their type; volume and cine of one frame are alike."""
    kind = np.dtype(np.uint8) if all(map(_is_small, numbers)) else numbers.dtype
    return _digest(numbers.shape[-3:], (part.astype(kind, copy=False) for part in numbers))


def _is_small(part: NDArray[Any]) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.array_equal(part.astype(np.uint8, copy=False), part))


def _digest(shape: tuple[int, ...], parts: Iterable[NDArray[Any]]) -> str:
    digest = hashlib.sha256(repr(shape).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data.cast("B"))
    return digest.hexdigest()


def as_extension(mark: LabelMark) -> bytes:
    """Return what follows the header of a NIfTI file: that there are extensions, and one with the mark."""
    block = io.BytesIO()
    nib.nifti1.Nifti1Extension(_COMMENT, json.dumps({_KEY: asdict(mark)}).encode()).write_to(block, False)
    return _HAS_EXTENSIONS + block.getvalue()


def read_mark(path: Path) -> LabelMark | None:
    """Return the mark of a NIfTI file, None where it has none."""
    try:
        for extension in nib.load(path).header.extensions:
            content = extension.get_content()
            if extension.get_code() == _COMMENT and _KEY.encode() in content:
                return LabelMark(**json.loads(content.rstrip(b"\0"))[_KEY])
    except (*UNREADABLE, AttributeError, LookupError, TypeError, RecursionError):
        return None
    return None


def why_kept(path: Path, grid: Grid, cine: str, *, predicts: bool) -> Kept | None:
    """Return why a segmentation file of ours must not be replaced unasked, None where it may be.

    Parameters
    ----------
    path : Path
        A segmentation that this program wrote, by its header.
    grid : Grid
        Of the cine that the new labels belong to.
    cine : str
        `cine_digest` of that cine; where it is empty, or the file knows none, grids are compared.
    predicts : bool
        Whether a network made the new labels; it never replaces what a person drew.
    """
    mark = read_mark(path)
    try:
        header = read_header(path)
        numbers = read_stored(header)
    except CmrSspError:
        return Kept.EDITED  # damaged: whose fault it is and what can be saved is not ours to say
    if not _same_exam(mark, cine, header, grid):
        return Kept.OTHER_EXAM
    if mark is None:
        return Kept.UNMARKED
    if header.is_scaled or mark.labels != labels_digest(numbers):
        return Kept.EDITED
    return Kept.DRAWN if predicts and not mark.checkpoint else None


def _same_exam(mark: LabelMark | None, cine: str, header: NiftiHeader, grid: Grid) -> bool:
    if mark is not None and mark.cine and cine:
        return mark.cine == cine
    return same_affine(header.affine, grid.affine) and header.shape[1:] == grid.shape
