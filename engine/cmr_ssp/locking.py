"""Locks that end with the process that holds them, however it ends."""

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
    """Hold the lock file `path`, which is gone afterwards; its folder is made where it is missing.

    Parameters
    ----------
    path : Path
        The lock.
    busy : CmrSspError
        Raised where somebody else holds it for longer than one waits.
    patience_s : float
        How long to wait, in seconds.

    Raises
    ------
    OutputError
        Where the folder cannot be written to.
    """
    from filelock import FileLock, Timeout  # costs time to import, which listing a cohort does not need

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
    """Tell whether somebody holds a lock file now."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # where it may not be opened, somebody else left it: we cannot know
        return True
    release(lock)
    return False


def release(lock: BaseFileLock) -> None:
    """Give a lock back and leave no file; who waits for it notices that its file is gone."""
    with suppress(OSError):  # Windows keeps an open file, and deletes it on release
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
