"""The mark in segmentation files of this package: digests of labels, cine and checkpoint.

The mark is a comment extension of the NIfTI header. It shows whether the labels were edited, and to which
cine and checkpoint they belong, independent of the file name.
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
_COMMENT = 6  # code of plain text in NIfTI extensions
_HAS_EXTENSIONS = b"\1\0\0\0"


@dataclass(frozen=True, slots=True)
class LabelMark:
    """Origin of a segmentation file.

    Attributes
    ----------
    labels : str
        SHA-256 of the numbers in the file.
    cine : str
        `cine_digest` of the segmented cine; empty if unknown.
    checkpoint : str
        SHA-256 of the checkpoint; empty if a person drew or corrected the labels.
    """

    labels: str
    cine: str = ""
    checkpoint: str = ""


class KeepReason(StrEnum):
    """Reason why a file is not replaced without permission."""

    FOREIGN = "it exists and is not a segmentation of this program"
    OTHER_EXAM = "it is the segmentation of another exam"
    EDITED = "it was edited after this program wrote it"
    UNMARKED = "it was edited in another program, or made by an earlier version of this one"
    DRAWN = "a person drew or corrected it"


def cine_digest(pixels: Frames) -> str:
    """Return the SHA-256 of size and pixels of a cine, shape (frame, slice, row, column)."""
    return _digest(pixels.shape, (pixels[t].astype("<f4", copy=False) for t in range(pixels.shape[0])))


class Volumes(Protocol):
    """The numbers of a file in parts: an array, or an object that creates one volume at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        ...

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Iterate over the parts in the order of the file."""
        ...


def labels_digest(numbers: Volumes) -> str:
    """Return the SHA-256 of numbers, independent of their type, and of whether a single frame is 3D or 4D."""
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
    """Return the bytes after a NIfTI header: the extension flag, and an extension with the mark."""
    block = io.BytesIO()
    nib.nifti1.Nifti1Extension(_COMMENT, json.dumps({_KEY: asdict(mark)}).encode()).write_to(block, False)
    return _HAS_EXTENSIONS + block.getvalue()


def read_mark(path: Path) -> LabelMark | None:
    """Return the mark of a NIfTI file, None if it has none."""
    try:
        for extension in nib.load(path).header.extensions:
            content = extension.get_content()
            if extension.get_code() == _COMMENT and _KEY.encode() in content:
                return LabelMark(**json.loads(content.rstrip(b"\0"))[_KEY])
    except (*UNREADABLE, AttributeError, LookupError, TypeError, RecursionError):
        return None
    return None


def reason_to_keep(path: Path, grid: Grid, cine: str, *, predicts: bool) -> KeepReason | None:
    """Return why a segmentation must not be replaced without permission, None if it may be.

    Parameters
    ----------
    path : Path
        A segmentation written by this package, according to its header.
    grid : Grid
        Grid of the cine of the new labels.
    cine : str
        `cine_digest` of that cine; if it is empty or missing in the file, grids are compared.
    predicts : bool
        Whether the new labels are a prediction, which never replaces labels drawn by a person.
    """
    mark = read_mark(path)
    try:
        header = read_header(path)
        numbers = read_stored(header)
    except CmrSspError:
        return KeepReason.EDITED  # damaged, but parts may be recoverable
    if not _same_exam(mark, cine, header, grid):
        return KeepReason.OTHER_EXAM
    if mark is None:
        return KeepReason.UNMARKED
    if header.is_scaled or mark.labels != labels_digest(numbers):
        return KeepReason.EDITED
    return KeepReason.DRAWN if predicts and not mark.checkpoint else None


def _same_exam(mark: LabelMark | None, cine: str, header: NiftiHeader, grid: Grid) -> bool:
    if mark is not None and mark.cine and cine:
        return mark.cine == cine
    return same_affine(header.affine, grid.affine) and header.shape[1:] == grid.shape
