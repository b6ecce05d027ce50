"""Opens the files of an exam: regular ones alone, unchanged since they were listed, and within limits."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from cmr_ssp.errors import ImageError
from cmr_ssp.files.dicom.left_out import Fault, left_out_problems
from cmr_ssp.files.dicom.sources import FileRef, files_below, list_files
from cmr_ssp.files.formats.folders import is_folder, is_regular
from cmr_ssp.files.formats.nifti import stamp_of

MAX_HEADER_BYTES = 2**26
"""Of one file up to its pixels; a multi-frame cine of 2000 frames has a tenth of it."""
MAX_HEADER_READS = 1_000_000
"""Pieces that the header of a file is read in; a multi-frame cine of 2000 frames has half of them."""
MAX_INFLATED_BYTES = 2**28
"""Of a file that is compressed as a whole."""

_HEAD = 1024  # 128 bytes of anything, DICM, and how the rest is stored
_FIRST_GROUP = b"\x08\x00"  # of a data set without preamble
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_EXPLICIT = b"1.2.840.10008.1.2.1\0\0\0"
_META_AT = 144  # what follows the element that tells the length of the file's own header
_PEEKED = 200  # files and folders looked at to tell whether there is any DICOM
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


class ChangedError(OSError):
    """A file is no longer the one that was listed."""


class Sparing:
    """The header of a file: reads as a file does, up to a limit, and tells no name that could be quoted."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size
        self._bytes_left = MAX_HEADER_BYTES
        self._reads_left = MAX_HEADER_READS

    def read(self, size: int = -1) -> bytes:
        """Read on.

        Raises
        ------
        ValueError
            If it has become more than any header has.
        """
        wanted = min(size, self.size) if size >= 0 else self.size
        self._bytes_left -= wanted
        self._reads_left -= 1
        if self._bytes_left < 0 or self._reads_left < 0:
            raise ValueError("its header is longer than that of any image")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()


class Reader:
    """Opens the files of an exam one after the other; an archive stays open in between."""

    def __init__(self) -> None:
        self._archives: dict[Path, zipfile.ZipFile] = {}

    @contextmanager
    def header(self, ref: FileRef) -> Iterator[Sparing]:
        """Open a file for reading its header.

        Raises
        ------
        OSError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile
            If it is missing, no regular file, changed, damaged, encrypted or inflates to too much.
        """
        with self._stream(ref) as file:
            yield Sparing(file, _size(file))

    @contextmanager
    def whole(self, ref: FileRef) -> Iterator[BinaryIO]:
        """Open a file for reading all of it; what it is must not have changed meanwhile.

        Raises
        ------
        ChangedError
            If it is another file now than the one that was listed.
        OSError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile
            As for `header`.
        """
        with self._stream(ref) as file:
            yield file if ref.member is None else io.BytesIO(file.read())
        _require(ref, ref.path.stat())

    def head(self, ref: FileRef) -> bytes | Fault:
        """Return the first bytes of a file, or why it cannot be read."""
        try:
            with self._raw(ref) as file:
                return file.read(_HEAD)
        except PermissionError:
            return Fault.FORBIDDEN
        except _DAMAGED:
            return Fault.DAMAGED if is_regular(ref.path) else Fault.IRREGULAR

    def begins_as_dicom(self, ref: FileRef) -> bool:
        """Tell whether a file has DICOM's preamble; False where it cannot be read."""
        head = self.head(ref)
        return isinstance(head, bytes) and begins_as_dicom(head)

    def looks_like_dicom(self, ref: FileRef) -> bool:
        """Tell whether a file is DICOM, be it of the time before preambles; False where it cannot be read."""
        head = self.head(ref)
        if not isinstance(head, bytes):
            return False
        return begins_as_dicom(head) or (is_named_as_dicom(ref) and head.startswith(_FIRST_GROUP))

    @contextmanager
    def _stream(self, ref: FileRef) -> Iterator[BinaryIO]:
        """Open a file; one that is compressed as a whole is inflated, as pydicom would without a limit."""
        with self._raw(ref) as file:
            deflated = _DEFLATED in file.read(_HEAD)
            file.seek(0)
            yield io.BytesIO(_inflated(file.read())) if deflated else file

    @contextmanager
    def _raw(self, ref: FileRef) -> Iterator[BinaryIO]:
        if ref.member is None:
            with _opened(ref) as file:
                yield file
            return
        if ref.path not in self._archives:
            self._archives[ref.path] = zipfile.ZipFile(_opened(ref))
        with self._archives[ref.path].open(ref.member) as member:
            yield member  # type: ignore[misc]  # zipfile's reader is a BinaryIO in all but name

    def close(self) -> None:
        """Close the archives."""
        for archive in self._archives.values():
            file = archive.fp
            archive.close()
            if file is not None:
                file.close()


def begins_as_dicom(head: bytes) -> bool:
    """Tell whether the first bytes of a file are DICOM's preamble."""
    return head[128:132] == b"DICM" and any(head[132:136])


def is_named_as_dicom(ref: FileRef) -> bool:
    """Tell whether a file's name says that it is DICOM; very old ones have no preamble that does."""
    return (ref.member or ref.path.name).lower().endswith((".dcm", ".ima"))


def _opened(ref: FileRef) -> BinaryIO:
    """Open a regular file that is the one that was listed; without its name, which pydicom would quote."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    file = os.fdopen(os.open(ref.path, flags), "rb")
    try:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no regular file")
        _require(ref, found)
    except OSError:
        file.close()
        raise
    return file


def _require(ref: FileRef, found: os.stat_result) -> None:
    if ref.stamp is not None and stamp_of(found) != ref.stamp:
        raise ChangedError("it changed since it was listed")


def _size(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def _inflated(content: bytes) -> bytes:
    """Inflate a file that is compressed as a whole, behind its own header, which then says so no longer."""
    start = _META_AT + int.from_bytes(content[_META_AT - 4 : _META_AT], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(content[start:], MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise ValueError("it inflates to more than any image has")
    return content[:start].replace(_DEFLATED, _EXPLICIT, 1) + body


@contextmanager
def reading() -> Iterator[Reader]:
    """Yield a reader and close what it opened."""
    reader = Reader()
    try:
        yield reader
    finally:
        reader.close()


def first_dicom(path: Path) -> FileRef | None:
    """Return the first DICOM file in a folder or archive; only so many files are looked at.

    Raises
    ------
    ImageError
        If an archive is damaged, encrypted, or larger than any exam.
    """
    listing = None if is_folder(path) else list_files(path)
    below = (FileRef(file) for file in files_below(path, _PEEKED) if is_regular(file))
    refs = below if listing is None else iter(listing.refs)
    with reading() as reader:
        first = next(filter(reader.looks_like_dicom, islice(refs, _PEEKED)), None)
    if first is None and listing is not None and any(x.fault is Fault.ENCRYPTED for x in listing.left_out):
        raise ImageError(*left_out_problems(listing.left_out, str(path)))
    return first
