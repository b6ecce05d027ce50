"""The folder of slice banks: building places, and what may be removed."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cmr_ssp.cache import cache_folder, naming_faults
from cmr_ssp.errors import CacheError
from cmr_ssp.locking import holding, is_held
from cmr_ssp.samples.bank.files import ABOUT, BANK_FILES

_BANK = re.compile(r"bank-[0-9a-f]{24}")
_UNFINISHED = re.compile(r"\.bank-[0-9a-f]{24}-[0-9a-f]{8}")
_PATIENCE_S = 10.0


def default_bank_folder() -> Path:
    """Return where banks are kept: ``CMR_SSP_CACHE`` or the user's cache folder."""
    return cache_folder() / "banks"


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside a bank's to build it in; it is gone afterwards, unless renamed.

    Raises
    ------
    CacheError
        If it cannot be made.
    """
    unfinished = _hidden(folder)
    with naming_faults(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()  # the lock's own errors speak of no cache
        unfinished.rmdir()
    sweep(folder.parent)
    busy = CacheError.of(folder, "another process builds it under the same name", "Try again.")
    with holding(_lock(unfinished), busy, _PATIENCE_S):
        with naming_faults(folder.parent):
            unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove what killed processes left half built; what a living one builds is locked."""
    for path in unfinished_banks(parent):
        if not is_being_built(path):
            shutil.rmtree(path, ignore_errors=True)


def is_being_built(unfinished: Path) -> bool:
    """Tell whether a living process builds in this folder."""
    return is_held(_lock(unfinished))


def discard(folder: Path) -> None:
    """Remove a bank; who has it open keeps what it mapped.

    Raises
    ------
    CacheError
        If it cannot be removed, or where something else lies there.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise CacheError.of(folder, "a file is in the way", "Move it away, or set CMR_SSP_CACHE elsewhere.")
    with naming_faults(folder):
        foreign = sorted(set(os.listdir(folder)) - BANK_FILES)  # noqa: PTH208 - names, not paths
        if foreign:
            what = f"it holds what is no part of a slice bank: {', '.join(foreign[:3])}"
            raise CacheError.of(folder, what, "Move that away, then try again.")
        aside = _hidden(folder)  # from here on nobody opens it; a sweep removes what is left
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def mark_used(folder: Path) -> None:
    """Let a bank count as used now."""
    with suppress(OSError):  # a cache that may only be read
        os.utime(folder / ABOUT)


def finished_banks(parent: Path) -> list[Path]:
    """Return the folders that are named as banks, damaged ones included."""
    return _entries(parent, _BANK)


def unfinished_banks(parent: Path) -> list[Path]:
    """Return the folders in which banks are built, or were when the process was killed."""
    return _entries(parent, _UNFINISHED)


def _entries(parent: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        paths = sorted(parent.iterdir())
    except OSError:
        return []
    return [path for path in paths if name.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]


def _hidden(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")


def _lock(unfinished: Path) -> Path:
    return unfinished.with_name(f"{unfinished.name}.lock")
