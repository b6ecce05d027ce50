"""List folders that contain unreadable or special files.

`pathlib` raises errors without permission, but one folder must not stop a whole cohort. Opening a pipe or
device may block, so only regular files (and links to them) are opened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.errors import Problem


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; False if that is unknown."""
    return os.path.isdir(path)  # noqa: PTH112 - pathlib's raises where permissions are missing


def is_regular(path: Path) -> bool:
    """Return whether a path is a regular file or a link to one; False if that is unknown."""
    return os.path.isfile(path)  # noqa: PTH113 - as above


def entries(folder: Path) -> list[Path]:
    """Return the sorted entries of a folder; none if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return the sorted matches of a pattern below a folder; none if it cannot be read."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def read_text(path: Path) -> str:
    """Read a regular file as UTF-8, replacing invalid bytes.

    Raises
    ------
    OSError
        If it is not a regular file, or cannot be read.
    """
    if not is_regular(path):
        raise FileNotFoundError(errno.ENOENT, "it is not a regular file")
    return path.read_text(encoding="utf-8", errors="replace")


def unreadable_problems(places: Iterable[Path]) -> list[Problem]:
    """Warn about unreadable folders among those of the subjects; they are counted, not named."""
    remedy = "If a subject is missing, give yourself permission to read them."
    problems = []
    for place in places:
        n = sum(not _may_be_read(entry) for entry in entries(place) if is_folder(entry))
        if n:
            what = f"{n} of its folders cannot be read and are left out"
            problems.append(Problem.warning(place, what, remedy))
    return problems


def _may_be_read(folder: Path) -> bool:
    try:
        with os.scandir(folder) as found:
            for entry in found:
                entry.stat(follow_symlinks=False)  # listing names can be allowed when reading files is not
                break
    except OSError:
        return False
    return True
