"""Read the pixels of NIfTI files in the engine's axis order.

NIfTI stores index ``i`` fastest, then ``j``, ``k`` and time. In C order, this is (frame, slice, row, column)
with column ``i``, row ``j`` and slice ``k``, so no axis is moved in memory.
"""

from __future__ import annotations

import math
import os
from typing import Any, BinaryIO

import numpy as np
from isal import isal_zlib  # decompresses 2.4 times as fast as zlib, which takes most of the time
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError
from cmr_ssp.files.formats.nifti import UNREADABLE, NiftiHeader, Stamp, stamp, stamp_of, unreadable

_MAX_AFTER_PIXELS = 1 << 24


def read_stored(header: NiftiHeader) -> NDArray[Any]:
    """Read the stored numbers, unscaled, as (frame, slice, row, column).

    Raises
    ------
    ImageError
        If the file is truncated, damaged or has changed since its header was read, or memory is short.
    """
    try:
        with open_unchanged(header) as file:
            content = file.read()
        require_unchanged(header, stamp(header.path))
        if header.is_gzip:
            content = _gunzip(content, header.n_bytes)
    except UNREADABLE as error:
        raise unreadable(header.path, error) from error
    except MemoryError:
        raise _too_large(header) from None
    if len(content) < header.n_bytes:
        what = f"it ends after {len(content)} of {header.n_bytes} bytes"
        raise ImageError.of(header.path, what, "The file is truncated: copy it again from its source.")
    return np.frombuffer(content, header.dtype, math.prod(header.shape), header.offset).reshape(header.shape)


def open_unchanged(header: NiftiHeader) -> BinaryIO:
    """Open the file of a header, if it is unchanged.

    Raises
    ------
    ImageError
        If the file was replaced or modified.
    """
    file = header.path.open("rb")
    try:
        require_unchanged(header, stamp_of(os.fstat(file.fileno())))
    except ImageError:
        file.close()
        raise
    return file


def require_unchanged(header: NiftiHeader, found: Stamp) -> None:
    """Check that a file is unchanged since its header was read.

    Raises
    ------
    ImageError
        If the stamps differ.
    """
    if found != header.stamp:
        what = "it was replaced or modified after its header was read"
        raise ImageError.of(header.path, what, "Open it again when no program is writing to it.")


def _too_large(header: NiftiHeader) -> ImageError:
    size = math.prod(header.shape) * (header.dtype.itemsize + np.dtype(np.float32).itemsize)
    what = f"reading its pixels takes {size / 2**30:.1f} GiB of memory, more than is available"
    return ImageError.of(header.path, what, "Close other programs, or leave this subject out.")


def _gunzip(content: bytes, limit: int) -> bytes:
    """Decompress the first `limit` bytes, and check the whole stream against its checksum."""
    parts: list[bytes] = []
    while content and limit > 0:
        member = isal_zlib.decompressobj(wbits=31)
        parts.append(member.decompress(content, limit))
        limit -= len(parts[-1])
        if limit <= 0:
            _drain(member)
        if not member.eof and not member.unconsumed_tail:
            raise EOFError("the compressed stream is truncated")
        content = member.unused_data
    return b"".join(parts) if len(parts) != 1 else parts[0]


def _drain(member: Any) -> None:
    """Read up to the checksum; otherwise damage in the size of the header would stay undetected."""
    left = _MAX_AFTER_PIXELS
    while not member.eof and member.unconsumed_tail:
        left -= len(member.decompress(member.unconsumed_tail, 1 << 16))
        if left < 0:
            raise ValueError("it continues long after its pixels")


def scale(stored: NDArray[Any], header: NiftiHeader) -> NDArray[np.float32]:
    """Convert stored numbers to intensities, as a new, contiguous float32 array.

    Raises
    ------
    ImageError
        If a pixel is NaN or infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            pixels = stored.astype(np.float32, order="C")
        except MemoryError:
            raise _too_large(header) from None
        if header.is_scaled:
            pixels *= np.float32(header.slope)
            pixels += np.float32(header.intercept)
    if (header.is_scaled or stored.dtype.kind == "f") and not np.isfinite(pixels).all():
        n = int(np.count_nonzero(~np.isfinite(pixels)))
        what = f"{n} of its pixels are not a number or infinite"
        raise ImageError.of(header.path, what, "Export the image again, or leave this subject out.")
    return pixels
