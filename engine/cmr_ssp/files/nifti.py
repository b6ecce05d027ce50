"""NIfTI files: a checked header without pixels, and pixels in the engine's axis order.

NIfTI stores index ``i`` fastest, then ``j``, ``k`` and time. Read in C order that is (frame, slice, row,
column) with column ``i``, row ``j`` and slice ``k``, so no axis is ever moved in memory.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError

SUFFIXES = (".nii", ".nii.gz")
MAX_VOXELS = 2**30
"""More than any cine has (100 frames of 40 slices of 512 x 512); larger claims are refused unread."""

_MAX_EXPANSION = 1032  # what one byte of a deflate stream can expand to
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_CINE_SPACING_S = (1e-3, 0.5)
_UNREADABLE = (OSError, EOFError, ValueError, OverflowError, zlib.error, ImageFileError, HeaderDataError)


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """What a NIfTI file says about its pixels, checked against the size of the file.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of frames, slices, rows and columns; a 3D volume has one frame.
    dtype : numpy.dtype
        Of the pixels on disk, byte order included.
    offset : int
        Bytes before the first pixel.
    slope, intercept : float
        Linear scaling of the stored numbers; 1 and 0 where the file has none.
    affine : ndarray, shape (4, 4)
        Voxel-to-world matrix of (i, j, k); RAS+ in mm.
    pixdim_mm : tuple of float
        The header's own voxel size along i, j and k, which may contradict the affine.
    frame_spacing_s : float or None
        Time between frames, None where the header gives none that a cine can have.
    """

    path: Path
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    pixdim_mm: tuple[float, float, float]
    frame_spacing_s: float | None

    @property
    def is_scaled(self) -> bool:
        """Whether the stored numbers are not the values themselves."""
        return (self.slope, self.intercept) != (1.0, 0.0)


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is a NIfTI image."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def read_header(path: Path) -> NiftiHeader:
    """Read a header, without pixels.

    Raises
    ------
    ImageError
        Where the file is missing or no NIfTI file, or claims a size that it cannot have.
    """
    if not path.is_file():
        raise ImageError.of(path, "the file does not exist", "Check the path.")
    try:
        image = nib.load(path)
        raw = image.header
        shape = _engine_shape(path, raw.get_data_shape())
        slope, intercept = raw.get_slope_inter()
        header = NiftiHeader(
            path=path,
            shape=shape,
            dtype=raw.get_data_dtype(),
            offset=int(image.dataobj.offset),
            slope=1.0 if slope is None else float(slope),
            intercept=0.0 if intercept is None else float(intercept),
            affine=np.asarray(image.affine, dtype=np.float64),
            pixdim_mm=_pixdim(raw),
            frame_spacing_s=_frame_spacing(raw),
        )
    except (*_UNREADABLE, AttributeError) as error:
        raise _unreadable(path, error) from error
    _check_pixel_type(header)
    _check_size(header)
    return header


def _unreadable(path: Path, error: Exception) -> ImageError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ImageError.of(
        path, f"it cannot be read as NIfTI ({reason})", "Copy or convert the file again from its source."
    )


def _engine_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Turn NIfTI's (i, j[, k[, t]]) into (frame, slice, row, column)."""
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        what = f"its dimensions are {' x '.join(map(str, shape))}, not those of a volume or a cine"
        raise ImageError.of(path, what, "Give a 3D volume or a 4D cine with time as the last axis.")
    columns, rows, slices, frames = (*(int(n) for n in shape), 1, 1)[:4]
    return frames, slices, rows, columns


def _pixdim(raw: Any) -> tuple[float, float, float]:
    i, j, k = (abs(float(size)) for size in raw["pixdim"][1:4])
    return i, j, k


def _frame_spacing(raw: Any) -> float | None:
    unit = _SECONDS.get(raw.get_xyzt_units()[1])
    seconds = float(raw["pixdim"][4]) * unit if unit else math.nan
    return seconds if _CINE_SPACING_S[0] <= seconds <= _CINE_SPACING_S[1] else None


def _check_pixel_type(header: NiftiHeader) -> None:
    if header.dtype.kind not in "iuf":
        what = f"its pixels are of type {header.dtype}"
        raise ImageError.of(header.path, what, "Give one real number a pixel (magnitude images).")


def _check_size(header: NiftiHeader) -> None:
    """Refuse, before anything is allocated, sizes that the file cannot hold."""
    voxels = math.prod(header.shape)
    needed = header.offset + voxels * header.dtype.itemsize
    on_disk = header.path.stat().st_size
    possible = on_disk * _MAX_EXPANSION if header.path.name.lower().endswith(".gz") else on_disk
    if voxels > MAX_VOXELS or needed > possible:
        claim = " x ".join(str(n) for n in reversed(header.shape))
        what = f"the header claims {claim} pixels, which a file of {on_disk} bytes cannot hold"
        if needed <= possible:
            what = f"the header claims {claim} pixels, more than any cine has"
        raise ImageError.of(header.path, what, "The file is damaged or truncated: copy it again.")


def read_stored(header: NiftiHeader) -> NDArray[Any]:
    """Read the stored numbers, unscaled, as (frame, slice, row, column).

    Raises
    ------
    ImageError
        Where the file is truncated or damaged.
    """
    needed = header.offset + math.prod(header.shape) * header.dtype.itemsize
    try:
        content = header.path.read_bytes()
        if header.path.name.lower().endswith(".gz"):
            content = _gunzip(content, needed)
    except _UNREADABLE as error:
        raise _unreadable(header.path, error) from error
    if len(content) < needed:
        what = f"it ends after {len(content)} of {needed} bytes"
        raise ImageError.of(header.path, what, "The file is truncated: copy it again from its source.")
    return np.frombuffer(content, header.dtype, math.prod(header.shape), header.offset).reshape(header.shape)


def _gunzip(content: bytes, limit: int) -> bytes:
    """Decompress the first `limit` bytes, checksum included where the stream ends there."""
    parts: list[bytes] = []
    while content and limit > 0:
        member = zlib.decompressobj(wbits=31)
        parts.append(member.decompress(content, limit))
        limit -= len(parts[-1])
        if not member.eof:
            member.decompress(member.unconsumed_tail, 1)
        if not member.eof and not member.unconsumed_tail:
            raise EOFError("the compressed stream is truncated")
        content = member.unused_data
    return b"".join(parts) if len(parts) != 1 else parts[0]


def scale(stored: NDArray[Any], header: NiftiHeader) -> NDArray[np.float32]:
    """Turn stored numbers into intensities: a fresh, contiguous float32 array.

    Raises
    ------
    ImageError
        Where a pixel is NaN or infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = stored.astype(np.float32, order="C")
        if header.is_scaled:
            pixels *= np.float32(header.slope)
            pixels += np.float32(header.intercept)
    if (header.is_scaled or stored.dtype.kind == "f") and not np.isfinite(pixels).all():
        n = int(np.count_nonzero(~np.isfinite(pixels)))
        what = f"{n} of its pixels are not a number or infinite"
        raise ImageError.of(header.path, what, "Export the image again, or leave this subject out.")
    return pixels
