"""File locks, which the operating system releases when the process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.errors import CmrSspError, OutputError

if TYPE_CHECKING:
    from filelock import BaseFileLock


@contextmanager
def holding(path: Path, busy: CmrSspError, patience_s: float) -> Iterator[None]:
    """Hold a file lock during the block; create its folder if needed and remove the lock file afterwards.

    Parameters
    ----------
    path : Path
        Lock file.
    busy : CmrSspError
        Raised if another process still holds the lock after `patience_s`.
    patience_s : float
        Timeout in seconds.

    Raises
    ------
    OutputError
        If the folder is not writable.
    """
    from filelock import FileLock, Timeout  # slow to import, and not needed to list a cohort

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience_s)
    except Timeout:
        raise busy from None
    except OSError as error:
        what = f"it cannot be written ({error.strerror})"
        raise OutputError.of(path.parent, what, "Choose another folder.") from error
    try:
        yield
    finally:
        release(lock)


def is_held(path: Path) -> bool:
    """Return whether a process holds a file lock."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # not readable: another user's lock, assumed to be held
        return True
    release(lock)
    return False


def release(lock: BaseFileLock) -> None:
    """Release a lock and remove its file; a waiting process notices that the file is gone."""
    with suppress(OSError):  # Windows cannot delete an open file; filelock does on release
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
