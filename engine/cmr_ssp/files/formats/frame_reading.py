"""Read single frames of NIfTI files, for cines that are too large for memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError
from cmr_ssp.files.formats.nifti import UNREADABLE, NiftiHeader, stamp, unreadable
from cmr_ssp.files.formats.pixels import open_unchanged, require_unchanged, scale
from cmr_ssp.subjects import Frames, FrameSource, VolumeSource

FileSource = VolumeSource | FrameSource
"""Source of a frame in NIfTI files."""

_MAX_AFTER_PIXELS = 1 << 24
_PIECE = 1 << 16


def index_in_file(frame: FileSource) -> int:
    """Return the index of a frame in its file."""
    return frame.index if isinstance(frame, FrameSource) else 0


@contextmanager
def open_frames(
    frames: Sequence[FileSource], slices_reversed: bool, headers: Mapping[Path, NiftiHeader]
) -> Iterator[Frames]:
    """Yield an object that reads frames on access.

    Reading in order is fast; going back in a compressed file decompresses it again from the start.
    """
    with ExitStack() as opened:
        files = {path: _File(header, opened) for path, header in headers.items()}
        yield _NiftiFrames([(files[frame.path], index_in_file(frame)) for frame in frames], slices_reversed)


class _NiftiFrames:
    def __init__(self, places: list[tuple[_File, int]], slices_reversed: bool) -> None:
        self._places, self._slices_reversed = places, slices_reversed
        self.shape = (len(places), *places[0][0].header.shape[1:])

    def __getitem__(self, frame: int) -> NDArray[np.float32]:
        file, index = self._places[frame]
        return file.read(index, slices_reversed=self._slices_reversed)


class _File:
    """A NIfTI file that is opened on access to its first frame."""

    def __init__(self, header: NiftiHeader, opened: ExitStack) -> None:
        self.header, self._opened = header, opened
        self._content: BinaryIO | None = None
        self._is_checked = not self.header.is_gzip

    def read(self, index: int, *, slices_reversed: bool) -> NDArray[np.float32]:
        header = self.header
        n_bytes = math.prod(header.shape[1:]) * header.dtype.itemsize
        try:
            content = self._read(header.offset + index * n_bytes, n_bytes)
            if index == header.shape[0] - 1:
                self._check_the_rest()
        except UNREADABLE as error:
            raise unreadable(header.path, error) from error
        if len(content) < n_bytes:
            what = f"it ends within its frame {index}"
            raise ImageError.of(header.path, what, "The file is truncated: copy it again from its source.")
        stored = np.frombuffer(content, header.dtype).reshape(header.shape[1:])
        return scale(stored[::-1] if slices_reversed else stored, header)

    def _read(self, offset: int, n_bytes: int) -> bytes:
        if self._content is None:
            self._content = self._opened.enter_context(_open(self.header))
        self._content.seek(offset)
        content = self._content.read(n_bytes)
        require_unchanged(self.header, stamp(self.header.path))
        return content

    def _check_the_rest(self) -> None:
        """Read a compressed file once up to its checksum, to detect damage."""
        if self._is_checked or self._content is None:
            return
        left = _MAX_AFTER_PIXELS
        while piece := self._content.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise ValueError("it continues long after its pixels")
        self._is_checked = True


def _open(header: NiftiHeader) -> BinaryIO:
    file = open_unchanged(header)
    if header.is_gzip:
        return cast(BinaryIO, _Inflating(file))
    return file


class _Inflating(igzip.IGzipFile):
    """A compressed file that also closes the underlying file."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")  # type: ignore[no-untyped-call]
        self._compressed = file

    def close(self) -> None:
        super().close()
        self._compressed.close()
