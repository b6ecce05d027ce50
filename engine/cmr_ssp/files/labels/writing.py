"""Write segmentations as NIfTI files on the grid of their source, which is never overwritten."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import NUMBERINGS, Numbering, Structure
from cmr_ssp.atomic import replacing
from cmr_ssp.errors import CmrSspError, OutputError
from cmr_ssp.files.formats.nifti import SUFFIXES, is_nifti, read_header
from cmr_ssp.files.labels.marks import (
    KeepReason,
    LabelMark,
    Volumes,
    as_extension,
    labels_digest,
    reason_to_keep,
)
from cmr_ssp.subjects import CineStack

SIGNATURE = b"cmr-ssp segmentation"
"""Description in the header; only files with it may be replaced."""

_COMPRESSION = 6
_GZIP = 31  # zlib's code for a gzip stream without timestamp
_GEOMETRY_FIELDS = (
    "dim_info",
    "xyzt_units",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
)


def write_segmentation(
    path: Path,
    labels: NDArray[np.uint8],
    stack: CineStack,
    numbering: str | Numbering = "mnms",
    *,
    cine: str = "",
    checkpoint: str = "",
    replace: bool = False,
) -> None:
    """Write structures with the geometry of their images.

    The slice order of the file is restored, and the geometry fields of the header (sform and qform with their
    codes, voxel size, frame spacing, units) are copied unchanged. Free text is not copied, since it may name
    a patient. The file is written atomically and contains digests of labels, cine and checkpoint
    (`LabelMark`).

    Parameters
    ----------
    path : Path
        Ends in ``.nii`` or ``.nii.gz``.
    labels : ndarray of uint8, shape (frame, slice, row, column) or (slice, row, column)
        0 or a `Structure` number, in the slice order of `stack`.
    stack : CineStack
        Stack of the labels. Without sources, the header is created from its grid.
    numbering : str or Numbering
        Numbers in the file: ``"mnms"`` (those of the engine), ``"acdc"`` or a mapping.
    cine : str
        `cine_digest` of the whole cine, if known.
    checkpoint : str
        SHA-256 of the checkpoint that made the segmentation; empty for labels of a person.
    replace : bool
        Overwrite a segmentation of another exam, or one that was edited or drawn.

    Raises
    ------
    OutputError
        If the labels do not fit the stack, the file cannot be written, it exists and was not written by this
        function, or (unless `replace`) contains labels that cannot be reproduced.
    """
    check_segmentation_target(path, stack, cine, predicts=bool(checkpoint), replace=replace)
    _check_labels(path, labels, stack)
    table = _inverse(path, numbering)
    numbers = _Numbers(labels, table, stack.grid.slices_reversed)
    header = _header(stack, numbers)
    header["descrip"] = _signed(table)
    mark = LabelMark(labels_digest(numbers), cine, checkpoint)
    write_nifti(path, header, numbers, as_extension(mark))


class _Numbers:
    """The numbers of a label file, converted volume by volume to save memory."""

    dtype = np.dtype(np.uint8)

    def __init__(self, labels: NDArray[np.uint8], table: NDArray[np.uint8], slices_reversed: bool) -> None:
        self._volumes = labels.reshape(-1, *labels.shape[-3:])
        self._table, self._order = table, slice(None, None, -1 if slices_reversed else 1)
        self.shape = labels.shape if len(self._volumes) > 1 else labels.shape[-3:]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for volume in self._volumes:
            yield self._table[volume[self._order]]


def check_segmentation_target(
    path: Path, stack: CineStack, cine: str, *, predicts: bool, replace: bool = False
) -> None:
    """Check that `write_segmentation` may write a file.

    Raises
    ------
    OutputError
        If it may not; the error has the options as remedy.
    """
    check_target(path, stack.sources, SIGNATURE, "segmentation", "segmented")
    kept = None if replace or not path.exists() else reason_to_keep(path, stack.grid, cine, predicts=predicts)
    if kept is not None:
        remedy = "Choose another name or folder, or move the file away."
        if predicts:
            remedy = f"{remedy[:-1]}; --replace replaces it and keeps a copy."
        raise OutputError.of(path, kept, remedy)


def reason_to_keep_file(path: Path, stack: CineStack, cine: str) -> KeepReason | None:
    """Return why a prediction must not overwrite a file without permission, None if it may."""
    if not _description(path).startswith(SIGNATURE):
        return KeepReason.FOREIGN
    return reason_to_keep(path, stack.grid, cine, predicts=True)


def write_image(path: Path, pixels: NDArray[np.float32], stack: CineStack) -> None:
    """Write one frame of a stack as a 3D image with the geometry of its source, without free text.

    Parameters
    ----------
    path : Path
        Ends in ``.nii`` or ``.nii.gz``; an existing file is replaced.
    pixels : ndarray of float32, shape (slice, row, column)
        The frame, in the slice order of `stack`. Integers are stored as int16 if they fit.
    stack : CineStack
        Stack of the frame.

    Raises
    ------
    OutputError
        If the file is a source, or cannot be written.
    """
    if path.exists() and any(source.exists() and path.samefile(source) for source in stack.sources):
        raise OutputError.of(path, "it is the source image", "Choose another name.")
    volume: NDArray[Any] = pixels[::-1] if stack.grid.slices_reversed else pixels
    if np.abs(volume).max(initial=0) < 2**15 and np.array_equal(volume, np.rint(volume)):
        volume = volume.astype(np.int16)
    write_nifti(path, _header(stack, volume), volume)


def write_nifti(path: Path, header: Any, numbers: Volumes, extension: bytes = bytes(4)) -> None:
    """Write a single-file NIfTI image atomically, part by part; the same input gives the same bytes."""
    header["magic"] = header.single_magic
    header["vox_offset"] = header.sizeof_hdr + len(extension)
    gzip = zlib.compressobj(_COMPRESSION, wbits=_GZIP) if path.name.lower().endswith(".gz") else None
    parts = chain([header.binaryblock + extension], map(np.ascontiguousarray, numbers))
    with replacing(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(gzip.compress(part) if gzip else part)
        if gzip:
            file.write(gzip.flush())


def written_numbering(path: Path) -> Numbering | None:
    """Return the numbering of a file of `write_segmentation`, None for any other file."""
    description = _description(path)
    if not description.startswith(SIGNATURE):
        return None
    pairs = re.findall(rb"(LV|MYO|RV) (\d+)", description)
    return {int(number): Structure[name.decode()] for name, number in pairs if int(number)} or None


def check_target(path: Path, sources: Sequence[Path], signature: bytes, kind: str, done: str) -> None:
    """Check that a path is a new NIfTI file, or a file of the same kind written by this package.

    Raises
    ------
    OutputError
        If the name is not that of a NIfTI file, or the path is a source or another file.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise OutputError.of(path, "its name does not end in .nii or .nii.gz", "Use one of these endings.")
    if not path.exists():
        return
    if path.is_dir():
        raise OutputError.of(path, "it is a folder", "Choose the name of a file.")
    if any(source.exists() and path.samefile(source) for source in sources):
        raise OutputError.of(path, f"it is the image that was {done}", "Choose another name.")
    if not _description(path).startswith(signature):
        what = f"it exists and is not a {kind} of this program"
        raise OutputError.of(path, what, "Choose another name, or move the file away.")


def _description(path: Path) -> bytes:
    try:
        read_header(path)
        return bytes(nib.load(path).header["descrip"].item())
    except CmrSspError:
        return b""


def _check_labels(path: Path, labels: NDArray[np.uint8], stack: CineStack) -> None:
    expected = (stack.n_frames, *stack.grid.shape)
    if labels.dtype != np.uint8 or labels.shape not in (expected, stack.grid.shape):
        what = f"labels of {labels.dtype} {labels.shape} do not fit a stack of uint8 {expected}"
        raise OutputError.of(path, what, "Use one volume, or one for each frame of the stack.")
    if labels.max(initial=0) > max(Structure):
        what = f"the labels hold the number {labels.max()}, which is not a structure"
        raise OutputError.of(path, what, "Number structures as `Structure` does.")


def _inverse(path: Path, numbering: str | Numbering) -> NDArray[np.uint8]:
    """Return the lookup table from the engine's numbers to those of the file."""
    known = NUMBERINGS.get(numbering) if isinstance(numbering, str) else numbering
    if known is None:
        what = f"the numbering '{numbering}' is unknown"
        raise OutputError.of(path, what, f"Choose one of {', '.join(sorted(NUMBERINGS))}.")
    table = np.zeros(256, np.uint8)
    for number, structure in known.items():
        table[structure] = number
    return table


def _header(stack: CineStack, volume: Volumes) -> Any:
    """Create a header with the geometry of the source and nothing else from it."""
    from_nifti = bool(stack.sources) and is_nifti(stack.sources[0])  # DICOM has no NIfTI header
    source = nib.load(stack.sources[0]).header if from_nifti else None
    header = nib.Nifti2Header() if isinstance(source, nib.Nifti2Header) else nib.Nifti1Header()
    header.set_data_dtype(volume.dtype)
    header.set_data_shape(volume.shape[::-1])
    if source is None:
        write_grid(header, stack)
    else:
        for field in _GEOMETRY_FIELDS:
            header[field] = source[field]
        header["pixdim"][:5] = source["pixdim"][:5]
    return header


def write_grid(header: Any, stack: CineStack) -> None:
    """Write the grid into a header, if there is no source."""
    header.set_xyzt_units("mm", "sec")
    header["pixdim"][1:5] = *stack.grid.spacing_mm[::-1], stack.frame_spacing_s or 0.0
    header.set_sform(stack.grid.affine, code="scanner")


def _signed(table: NDArray[np.uint8]) -> bytes:
    """Return the description for the header, which includes the numbering."""
    return SIGNATURE + b": " + b", ".join(b"%s %d" % (s.name.encode(), table[s]) for s in Structure)
