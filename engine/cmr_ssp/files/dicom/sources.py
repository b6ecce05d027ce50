"""List the files of an exam in a folder or zip archive that may be opened."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from cmr_ssp.errors import ImageError
from cmr_ssp.files.dicom.left_out import Fault, LeftOut, name_of
from cmr_ssp.files.formats.folders import is_folder, is_regular
from cmr_ssp.files.formats.nifti import Stamp, stamp, stamp_of

MAX_FILES = 50_000
MAX_FILE_BYTES = 2**30
"""Largest file; a multi-frame cine of 2000 frames has half of that."""
MAX_ARCHIVE_BYTES = 4 * 2**30
"""Largest uncompressed size of an archive, as stated in its directory; zipfile reads no more than that."""

_MAX_EXPANSION = 200  # compressed images expand 2 to 10 times
_EXPANDS_FREELY = 2**28  # smaller archives are harmless
_OTHERS = re.compile(
    r".*\.(gz|nii|csv|txt|json|ya?ml|cfg|xml|png|jpe?g|pdf|py|md|html|zip|np[yz]|mat|cvi42wsx)", re.I
)
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file of an exam.

    Attributes
    ----------
    path : Path
        The file, or the archive that contains it.
    member : str or None
        Name in the archive.
    stamp : Stamp
        Stamp of the file or archive when it was listed.
    """

    path: Path
    member: str | None = None
    stamp: Stamp | None = None

    @property
    def name(self) -> str:
        """Name of the file, which may identify a person."""
        return self.member or self.path.name


@dataclass(frozen=True, slots=True)
class Listing:
    """Files of an exam that may be DICOM, and files that are skipped."""

    refs: tuple[FileRef, ...]
    left_out: tuple[LeftOut, ...] = ()


def is_zip(path: Path) -> bool:
    """Return whether a path is a regular file with the extension of a zip archive."""
    return path.suffix.lower() == ".zip" and not path.name.startswith(".") and is_regular(path)


def may_be_exam(path: Path) -> bool:
    """Return whether a path may be a DICOM exam: a folder, zip archive, or file with a DICOM extension."""
    return is_folder(path) or is_zip(path) or path.suffix.lower() in (".dcm", ".ima")


def list_files(path: Path) -> Listing:
    """List the files of a folder or archive that may be DICOM.

    Raises
    ------
    ImageError
        If it is missing, no folder nor archive, or larger than any exam.
    """
    if is_folder(path):
        return _list_folder(path)
    if is_zip(path):
        return _list_members(path)
    if is_regular(path):
        return Listing((FileRef(path, stamp=stamp(path)),))
    raise ImageError.of(path, "it does not exist, or is not a regular file", "Check the path.")


def _list_folder(folder: Path) -> Listing:
    refs: list[FileRef] = []
    faults: list[tuple[int, Path, Fault]] = []
    forbidden: list[Path] = []
    found = islice(files_below(folder, forbidden=forbidden), MAX_FILES + 1)
    for number, file in enumerate(found, start=1):
        about, fault = _looked_at(file)
        if fault is None:
            refs.append(FileRef(file, stamp=about))
        else:
            faults.append((number, file, fault))
    n_files = len(refs) + len(faults)
    _check_number(folder, n_files)
    left_out = [LeftOut(fault, name_of(file.name, number, n_files)) for number, file, fault in faults]
    left_out += [LeftOut(Fault.FORBIDDEN, "a folder")] * len(forbidden)
    return Listing(tuple(refs), tuple(left_out))


def _looked_at(file: Path) -> tuple[Stamp, Fault | None]:
    """Return the stamp of a file, and the reason if it must not be opened; opening a pipe would block."""
    try:
        found = file.stat()
    except PermissionError:
        return stamp(file), Fault.FORBIDDEN
    except OSError:
        return stamp(file), Fault.IRREGULAR
    if not stat.S_ISREG(found.st_mode):
        return stamp_of(found), Fault.IRREGULAR
    return stamp_of(found), Fault.TOO_LARGE if found.st_size > MAX_FILE_BYTES else None


def files_below(
    folder: Path, most_folders: int = MAX_FILES, forbidden: list[Path] | None = None
) -> Iterator[Path]:
    """Iterate over the files below a folder in sorted order, without hidden files and links to folders.

    Files that are not regular are included. Unreadable folders are appended to `forbidden`.
    """

    def note(error: OSError) -> None:
        if forbidden is not None:
            forbidden.append(Path(error.filename))

    for parent, folders, names in islice(os.walk(folder, onerror=note), most_folders):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not _OTHERS.fullmatch(name):
                yield Path(parent, name)


def _list_members(path: Path) -> Listing:
    about = stamp(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (OSError, EOFError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile) as error:
        raise ImageError.of(path, "it cannot be read as a zip archive", "Copy it again.") from error
    _check_number(path, len(members))
    _check_expansion(path, members)
    listed = sorted((member for member in members if _may_be_image(member)), key=lambda each: each.filename)
    refs: dict[str, FileRef] = {}
    left_out: list[LeftOut] = []
    for number, member in enumerate(listed, start=1):
        fault = _fault(member)
        if fault is None:
            refs[member.filename] = FileRef(path, member.filename, about)
        else:
            left_out.append(LeftOut(fault, name_of(member.filename, number, len(listed))))
    return Listing(tuple(refs.values()), tuple(left_out))


def _may_be_image(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename.replace("\\", "/")).name
    return not name.startswith(".") and not _OTHERS.fullmatch(name)


def _fault(member: zipfile.ZipInfo) -> Fault | None:
    """Return the reason why a member is not read, or None."""
    if not _is_safe(member.filename):
        return Fault.UNSAFE
    if member.flag_bits & _ENCRYPTED:
        return Fault.ENCRYPTED
    return Fault.TOO_LARGE if member.file_size > MAX_FILE_BYTES else None


def _is_safe(name: str) -> bool:
    """Return whether a member's path stays inside the archive; members are never unpacked to disk."""
    parts = name.replace("\\", "/").split("/")
    return ".." not in parts and not name.startswith(("/", "\\")) and ":" not in parts[0]


def _check_expansion(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse archives with an excessive uncompressed size, before anything is inflated."""
    size = sum(member.file_size for member in members)
    if size > MAX_ARCHIVE_BYTES:
        what = f"it unpacks to more than {MAX_ARCHIVE_BYTES // 2**30} GiB"
        raise ImageError.of(path, what, "Use one archive per exam.")
    times = size / max(1, stamp(path)[0])
    if size > _EXPANDS_FREELY and times > _MAX_EXPANSION:
        what = f"it unpacks to {times:.0f} times its size, too much for images"
        raise ImageError.of(path, what, "Check the source of the archive, and pack the exam again.")


def _check_number(path: Path, n_files: int) -> None:
    if n_files > MAX_FILES:
        raise ImageError.of(path, f"it contains more than {MAX_FILES} files", "Choose a single exam.")


def stamps(path: Path) -> tuple[tuple[str, Stamp], ...]:
    """Return name and stamp of every file of an exam; empty if it is missing."""
    files = files_below(path) if is_folder(path) else iter([path] if is_regular(path) else [])
    return tuple((str(file), stamp(file)) for file in islice(files, MAX_FILES + 1))


def signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and modification time of every file of an exam, which a copy can preserve."""
    return tuple((name, size, changed) for name, (size, changed, _) in stamps(path))
