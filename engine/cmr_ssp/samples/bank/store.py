"""The folder of slice banks: creating, finding and removing banks."""

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
    """Return the default folder of banks, in ``CMR_SSP_CACHE`` or the user's cache folder."""
    return cache_folder() / "banks"


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder in which to build a bank; remove it afterwards unless it was renamed.

    Raises
    ------
    CacheError
        If the folder cannot be created.
    """
    unfinished = _hidden(folder)
    with naming_faults(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()  # to raise a `CacheError` before locking
        unfinished.rmdir()
    sweep(folder.parent)
    busy = CacheError.of(folder, "another process is building it under the same name", "Try again.")
    with holding(_lock(unfinished), busy, _PATIENCE_S):
        with naming_faults(folder.parent):
            unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove unfinished banks of killed processes; those of running processes are locked."""
    for path in unfinished_banks(parent):
        if not is_being_built(path):
            shutil.rmtree(path, ignore_errors=True)


def is_being_built(unfinished: Path) -> bool:
    """Return whether a running process is building in this folder."""
    return is_held(_lock(unfinished))


def discard(folder: Path) -> None:
    """Remove a bank; processes that have it open keep their memory maps.

    Raises
    ------
    CacheError
        If it cannot be removed, or the folder holds other files.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise CacheError.of(
            folder, "a file is in the way", "Move it away, or set CMR_SSP_CACHE to another folder."
        )
    with naming_faults(folder):
        foreign = sorted(set(os.listdir(folder)) - BANK_FILES)  # noqa: PTH208 - names, not paths
        if foreign:
            what = f"it contains files that are not part of a slice bank: {', '.join(foreign[:3])}"
            raise CacheError.of(folder, what, "Move these files away and try again.")
        aside = _hidden(folder)  # nobody can open it now; `sweep` removes the rest
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def mark_used(folder: Path) -> None:
    """Set the time of last use of a bank to now."""
    with suppress(OSError):  # a read-only cache
        os.utime(folder / ABOUT)


def finished_banks(parent: Path) -> list[Path]:
    """Return the folders of all finished banks, including damaged ones."""
    return _entries(parent, _BANK)


def unfinished_banks(parent: Path) -> list[Path]:
    """Return the folders of banks that are being built or were left by a killed process."""
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
