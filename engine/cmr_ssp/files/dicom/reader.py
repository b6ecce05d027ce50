"""Open the files of an exam: only regular files, unchanged since they were listed, within size limits."""

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
"""Largest header of a file; a multi-frame cine of 2000 frames uses a tenth of it."""
MAX_HEADER_READS = 1_000_000
"""Largest number of reads per header; a multi-frame cine of 2000 frames uses half of it."""
MAX_INFLATED_BYTES = 2**28
"""Largest inflated size of a deflated file."""

_HEAD = 1024  # preamble of 128 bytes, DICM, and the file meta information
_FIRST_GROUP = b"\x08\x00"  # group of the first element of a file without preamble
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_EXPLICIT = b"1.2.840.10008.1.2.1\0\0\0"
_META_AT = 144  # end of the element with the length of the file meta information
_PEEKED = 200  # files and folders checked to find any DICOM file
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
    """A file changed since it was listed."""


class Sparing:
    """File-like object for reading a header: limited in size, and without a name to leak into messages."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size
        self._bytes_left = MAX_HEADER_BYTES
        self._reads_left = MAX_HEADER_READS

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes.

        Raises
        ------
        ValueError
            If the header exceeds the limits.
        """
        wanted = min(size, self.size) if size >= 0 else self.size
        self._bytes_left -= wanted
        self._reads_left -= 1
        if self._bytes_left < 0 or self._reads_left < 0:
            raise ValueError("its header is longer than that of any image")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the current position."""
        return self._file.tell()


class Reader:
    """Opens the files of an exam one at a time; keeps archives open in between."""

    def __init__(self) -> None:
        self._archives: dict[Path, zipfile.ZipFile] = {}

    @contextmanager
    def header(self, ref: FileRef) -> Iterator[Sparing]:
        """Open a file to read its header.

        Raises
        ------
        OSError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile
            If the file is missing, not regular, changed, damaged, encrypted or too large when inflated.
        """
        with self._stream(ref) as file:
            yield Sparing(file, _size(file))

    @contextmanager
    def whole(self, ref: FileRef) -> Iterator[BinaryIO]:
        """Open a file to read all of it, and check afterwards that it did not change.

        Raises
        ------
        ChangedError
            If the file changed since it was listed.
        OSError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile
            As for `header`.
        """
        with self._stream(ref) as file:
            yield file if ref.member is None else io.BytesIO(file.read())
        _require(ref, ref.path.stat())

    def head(self, ref: FileRef) -> bytes | Fault:
        """Return the first bytes of a file, or the reason why it cannot be read."""
        try:
            with self._raw(ref) as file:
                return file.read(_HEAD)
        except PermissionError:
            return Fault.FORBIDDEN
        except _DAMAGED:
            return Fault.DAMAGED if is_regular(ref.path) else Fault.IRREGULAR

    def begins_as_dicom(self, ref: FileRef) -> bool:
        """Return whether a file has the DICOM preamble; False if it cannot be read."""
        head = self.head(ref)
        return isinstance(head, bytes) and begins_as_dicom(head)

    def looks_like_dicom(self, ref: FileRef) -> bool:
        """Return whether a file is DICOM, with or without preamble; False if it cannot be read."""
        head = self.head(ref)
        if not isinstance(head, bytes):
            return False
        return begins_as_dicom(head) or (is_named_as_dicom(ref) and head.startswith(_FIRST_GROUP))

    @contextmanager
    def _stream(self, ref: FileRef) -> Iterator[BinaryIO]:
        """Open a file; inflate a deflated one here, since pydicom would do so without a limit."""
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
    """Return whether the first bytes of a file are the DICOM preamble."""
    return head[128:132] == b"DICM" and any(head[132:136])


def is_named_as_dicom(ref: FileRef) -> bool:
    """Return whether a file has a DICOM extension; very old files have no preamble."""
    return (ref.member or ref.path.name).lower().endswith((".dcm", ".ima"))


def _opened(ref: FileRef) -> BinaryIO:
    """Open a regular, unchanged file by descriptor, since pydicom would quote its name."""
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
    """Inflate a deflated file and set its transfer syntax to uncompressed."""
    start = _META_AT + int.from_bytes(content[_META_AT - 4 : _META_AT], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(content[start:], MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise ValueError("it inflates to more than any image has")
    return content[:start].replace(_DEFLATED, _EXPLICIT, 1) + body


@contextmanager
def reading() -> Iterator[Reader]:
    """Yield a reader and close its archives afterwards."""
    reader = Reader()
    try:
        yield reader
    finally:
        reader.close()


def first_dicom(path: Path) -> FileRef | None:
    """Return the first DICOM file among the first files of a folder or archive, or None.

    Raises
    ------
    ImageError
        If an archive is damaged, encrypted, or exceeds the limits.
    """
    listing = None if is_folder(path) else list_files(path)
    below = (FileRef(file) for file in files_below(path, _PEEKED) if is_regular(file))
    refs = below if listing is None else iter(listing.refs)
    with reading() as reader:
        first = next(filter(reader.looks_like_dicom, islice(refs, _PEEKED)), None)
    if first is None and listing is not None and any(x.fault is Fault.ENCRYPTED for x in listing.left_out):
        raise ImageError(*left_out_problems(listing.left_out, str(path)))
    return first
