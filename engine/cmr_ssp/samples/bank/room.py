"""Cache management of slice banks: listing, the size limit, and clearing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cmr_ssp.cache import cache_limit_bytes
from cmr_ssp.errors import CacheError, Problem
from cmr_ssp.samples.bank.files import ABOUT
from cmr_ssp.samples.bank.store import (
    discard,
    finished_banks,
    is_being_built,
    sweep,
    unfinished_banks,
)
from cmr_ssp.samples.bank.use import alone_with


class BankState(StrEnum):
    """State of a bank in the cache."""

    UNUSED = "unused"
    OPEN = "open"  # by a process
    BEING_BUILT = "being built"
    LEFT = "incomplete"  # its process was killed


@dataclass(frozen=True, slots=True)
class StoredBank:
    """A bank in the cache, described without opening it.

    Attributes
    ----------
    folder : Path
        Folder of the bank; its name contains no subject id.
    n_bytes : int
        Size of all files.
    last_used : datetime
        Time of the last use by a training, in UTC.
    state : BankState
        State, which decides whether it may be removed.
    """

    folder: Path
    n_bytes: int
    last_used: datetime
    state: BankState


def stored_banks(parent: Path) -> tuple[StoredBank, ...]:
    """List the banks in a folder, least recently used first, followed by unfinished ones."""
    finished = [_stored(path, _state(path)) for path in finished_banks(parent)]
    unfinished = [_stored(path, _state_of_unfinished(path)) for path in unfinished_banks(parent)]
    return (*sorted(finished, key=lambda bank: bank.last_used), *unfinished)


def make_room(parent: Path, n_bytes: int = 0) -> Problem | None:
    """Remove the least recently used banks until the others and `n_bytes` fit the size limit.

    Parameters
    ----------
    parent : Path
        Folder of banks.
    n_bytes : int
        Expected size of a bank that is being built.

    Returns
    -------
    Problem or None
        A warning if the limit is exceeded; open banks are never removed.

    Raises
    ------
    CacheError
        If the size limit is invalid.
    """
    limit = cache_limit_bytes()
    banks = [(path, _bytes(path)) for path in sorted(finished_banks(parent), key=_used)]
    total = sum(size for _, size in banks) + n_bytes
    for path, size in banks:
        if total > limit and _removed(path):
            total -= size
    if total <= limit:
        return None
    what = f"the slice banks in use take {gib(total)}, more than the limit of {gib(limit)}"
    remedy = "Raise CMR_SSP_CACHE_GIB if the disk has space."
    return Problem.warning(parent, what, remedy)


def clear_banks(parent: Path) -> tuple[tuple[StoredBank, ...], tuple[Problem, ...]]:
    """Remove every bank that is not open; return the removed banks, and why others remain."""
    banks = stored_banks(parent)
    sweep(parent)
    removed: list[StoredBank] = []
    problems: list[Problem] = []
    for bank in banks:
        problem = _why_kept(bank)
        if problem is None:
            removed.append(bank)
        else:
            problems.append(problem)
    return tuple(removed), tuple(problems)


def gib(n_bytes: int) -> str:
    """Format a size in GiB or MiB."""
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 / 10 else f"{n_bytes / 2**20:.1f} MiB"


def _why_kept(bank: StoredBank) -> Problem | None:
    """Remove a bank; return the reason if it cannot be removed, otherwise None."""
    try:
        if bank.state is not BankState.BEING_BUILT and _removed_if_unused(bank.folder):
            return None
    except CacheError as error:
        return error.problems[0]
    what = "a process is building it" if bank.state is BankState.BEING_BUILT else "a process has it open"
    return Problem.warning(bank.folder, what, "Try again when that process has ended.")


def _removed(folder: Path) -> bool:
    """Remove a bank if possible; return whether it was removed."""
    try:
        return _removed_if_unused(folder)
    except CacheError:
        return False


def _removed_if_unused(folder: Path) -> bool:
    with alone_with(folder) as alone:
        if alone and folder.exists():  # otherwise another process was faster
            discard(folder)
    return alone


def _state(folder: Path) -> BankState:
    with alone_with(folder) as alone:
        return BankState.UNUSED if alone else BankState.OPEN


def _state_of_unfinished(folder: Path) -> BankState:
    return BankState.BEING_BUILT if is_being_built(folder) else BankState.LEFT


def _stored(folder: Path, state: BankState) -> StoredBank:
    return StoredBank(folder, _bytes(folder), datetime.fromtimestamp(_used(folder), UTC), state)


def _bytes(folder: Path) -> int:
    """Return the size of a bank; 0 if it is removed meanwhile."""
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0


def _used(folder: Path) -> float:
    """Return the time of last use in seconds since 1970; for an incomplete bank, of its creation."""
    for path in (folder / ABOUT, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0
