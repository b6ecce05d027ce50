"""The files of an exam, in a folder or in a zip archive, which is only ever read into memory."""

from __future__ import annotations

import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cmr_ssp.errors import ImageError

MAX_FILES = 50_000
MAX_ARCHIVE_BYTES = 4 * 2**30
"""Uncompressed, as the archive's directory states it; no member is read beyond what that says of it."""

_MAX_MEMBER_BYTES = 2**30
_HEAD = 1024  # 128 bytes of anything, DICM, and how the rest is stored
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_MAX_DEFLATED_BYTES = 2**20  # expands to 1 GiB at most; pydicom inflates such files as a whole
_PEEKED = 200  # files and folders looked at to tell whether there is any DICOM
_OTHERS = re.compile(r".*\.(gz|nii|csv|txt|json|ya?ml|cfg|xml|png|jpe?g|pdf|py|md|html|zip|np[yz]|mat)", re.I)
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,  # encrypted, and NotImplementedError
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file of an exam.

    Attributes
    ----------
    path : Path
        The file, or the archive that it is in.
    member : str or None
        Its name in the archive.
    """

    path: Path
    member: str | None = None


def is_zip(path: Path) -> bool:
    """Tell by its name whether a file is a zip archive."""
    return path.suffix.lower() == ".zip" and not path.name.startswith(".") and path.is_file()


def may_be_exam(path: Path) -> bool:
    """Tell whether a path is read as DICOM: a folder, a zip archive, or a file that is named as such."""
    return path.is_dir() or is_zip(path) or path.suffix.lower() in (".dcm", ".ima")


def list_files(path: Path) -> tuple[list[FileRef], int]:
    """List what may be DICOM in a folder or archive, and how many unsafe members are left out.

    Raises
    ------
    ImageError
        Where it is missing, no folder nor archive, or larger than any exam.
    """
    if path.is_dir():
        found = [FileRef(file) for file in islice(files_below(path), MAX_FILES + 1)]
        _check_number(path, len(found))
        return found, 0
    if path.is_file() and not is_zip(path):
        return [FileRef(path)], 0
    if not path.exists():
        raise ImageError.of(path, "it does not exist", "Check the path.")
    return _list_members(path)


def files_below(folder: Path, most_folders: int = MAX_FILES) -> Iterator[Path]:
    """Go through the files below a folder in order; links to folders and hidden files are left out."""
    for parent, folders, names in islice(os.walk(folder), most_folders):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not _OTHERS.fullmatch(name):
                yield Path(parent, name)


def _list_members(path: Path) -> tuple[list[FileRef], int]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except _DAMAGED as error:
        raise ImageError.of(path, "it cannot be read as a zip archive", "Copy it again.") from error
    _check_number(path, len(members))
    if sum(member.file_size for member in members) > MAX_ARCHIVE_BYTES:
        what = f"it unpacks to more than {MAX_ARCHIVE_BYTES // 2**30} GiB"
        raise ImageError.of(path, what, "Put one exam into one archive.")
    safe = [member for member in members if _is_safe(member.filename)]
    names = {
        member.filename
        for member in safe
        if member.file_size <= _MAX_MEMBER_BYTES
        and not PurePosixPath(member.filename).name.startswith(".")
        and not _OTHERS.fullmatch(PurePosixPath(member.filename).name)
    }
    return [FileRef(path, name) for name in sorted(names)], len(members) - len(safe)


def _is_safe(name: str) -> bool:
    """Tell whether a member's name stays where it is unpacked; nothing is, but such archives are odd."""
    parts = name.replace("\\", "/").split("/")
    return ".." not in parts and not name.startswith(("/", "\\")) and ":" not in parts[0]


def _check_number(path: Path, n_files: int) -> None:
    if n_files > MAX_FILES:
        raise ImageError.of(path, f"it holds more than {MAX_FILES} files", "Name one exam.")


class Reader:
    """Opens the files of an exam one after the other; an archive stays open in between."""

    def __init__(self) -> None:
        self._archives: dict[Path, zipfile.ZipFile] = {}

    def open(self, ref: FileRef) -> BinaryIO:
        """Open a file for reading.

        Raises
        ------
        OSError, zipfile.BadZipFile, RuntimeError
            Where it is missing, damaged or encrypted.
        """
        if ref.member is None:
            # without its name, which pydicom would quote in warnings
            return os.fdopen(os.open(ref.path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")
        if ref.path not in self._archives:
            self._archives[ref.path] = zipfile.ZipFile(ref.path)
        return io.BytesIO(self._archives[ref.path].read(ref.member))

    def begins_as_dicom(self, ref: FileRef) -> bool:
        """Tell whether a file has DICOM's preamble; False where it cannot be read."""
        return self._head(ref)[128:132] == b"DICM"

    def is_bomb(self, ref: FileRef) -> bool:
        """Tell whether a file is compressed as a whole and may be much larger than it looks."""
        if _DEFLATED not in self._head(ref):
            return False
        if ref.member is None:
            return ref.path.stat().st_size > _MAX_DEFLATED_BYTES
        return self._archives[ref.path].getinfo(ref.member).file_size > _MAX_DEFLATED_BYTES

    def _head(self, ref: FileRef) -> bytes:
        """Return the first bytes of a file; none where it cannot be read."""
        try:
            if ref.member is None:
                with ref.path.open("rb") as file:
                    return file.read(_HEAD)
            if ref.path not in self._archives:
                self._archives[ref.path] = zipfile.ZipFile(ref.path)
            with self._archives[ref.path].open(ref.member) as member:
                return member.read(_HEAD)
        except _DAMAGED:
            return b""

    def close(self) -> None:
        """Close the archives."""
        for archive in self._archives.values():
            archive.close()


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
        Where an archive is damaged, or larger than any exam.
    """
    refs = map(FileRef, files_below(path, _PEEKED)) if path.is_dir() else iter(_list_members(path)[0])
    with reading() as reader:
        return next(filter(reader.begins_as_dicom, islice(refs, _PEEKED)), None)


def signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and time of every file of an exam: a change of it shows here."""
    files = files_below(path) if path.is_dir() else iter([path] if path.is_file() else [])
    about = ((str(file), file.stat()) for file in islice(files, MAX_FILES))
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in about)
