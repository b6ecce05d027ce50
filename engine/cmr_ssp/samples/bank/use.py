"""Shared file locks that mark a slice bank as open; they end with the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cmr_ssp.samples.bank.files import ABOUT, damaged

if sys.platform != "win32":
    import fcntl


class InUse:
    """Protects a bank from removal during the lifetime of the object.

    Windows needs no lock: it cannot rename a folder with memory-mapped files.

    Parameters
    ----------
    folder : Path
        Folder of the bank.

    Raises
    ------
    CacheError
        If there is no bank, or it was removed meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        if sys.platform == "win32":
            return
        try:
            self._descriptor = os.open(folder / ABOUT, os.O_RDONLY)
            with suppress(OSError):  # some network file systems do not support locks
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            still_there = os.path.samestat(os.fstat(self._descriptor), (folder / ABOUT).stat())
        except OSError as error:
            raise damaged(folder, f"{ABOUT} cannot be opened ({error.strerror})") from error
        if not still_there:
            raise damaged(folder, "it was replaced while it was opened")

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


@contextmanager
def alone_with(folder: Path) -> Iterator[bool]:
    """Hold an exclusive lock on a bank; yield False if another process has it open."""
    if sys.platform == "win32" or not (folder / ABOUT).is_file():
        yield True
        return
    try:
        descriptor = _opened(folder / ABOUT)
    except OSError:  # not readable, or removed
        yield False
        return
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """Open a file for writing, which network disks need for an exclusive lock, or else for reading."""
    with suppress(PermissionError):
        return os.open(path, os.O_RDWR)
    return os.open(path, os.O_RDONLY)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
