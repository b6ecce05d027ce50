"""Looking into folders where not everything may be read, and not everything is a file.

`pathlib` raises where a permission is missing, and a stray folder must not stop a cohort. Opening a pipe or a
device may wait for ever, so only regular files (and links to them) are opened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.errors import Problem


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; False where that cannot be known."""
    return os.path.isdir(path)  # noqa: PTH112 - pathlib's raises where permissions are missing


def is_regular(path: Path) -> bool:
    """Return whether a path is a regular file or leads to one; False where that cannot be known."""
    return os.path.isfile(path)  # noqa: PTH113 - as above


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return what a pattern matches below a folder, sorted; nothing where it cannot be read."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def read_text(path: Path) -> str:
    """Read a regular file as UTF-8, whatever is in it.

    Raises
    ------
    OSError
        If it is none, or cannot be read.
    """
    if not is_regular(path):
        raise FileNotFoundError(errno.ENOENT, "it is no regular file")
    return path.read_text(encoding="utf-8", errors="replace")


def unreadable_problems(places: Iterable[Path]) -> list[Problem]:
    """Warn of folders, in those where the subjects lie, that may not be read. They are counted, not named."""
    remedy = "Nothing, if no subject is missing; else allow yourself to read them."
    problems = []
    for place in places:
        n = sum(not _may_be_read(entry) for entry in entries(place) if is_folder(entry))
        if n:
            what = f"{n} of its folders may not be read and are left out"
            problems.append(Problem.warning(place, what, remedy))
    return problems


def _may_be_read(folder: Path) -> bool:
    try:
        with os.scandir(folder) as found:
            for entry in found:
                entry.stat(follow_symlinks=False)  # names may be read where files may not
                break
    except OSError:
        return False
    return True
