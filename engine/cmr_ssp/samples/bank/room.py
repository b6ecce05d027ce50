"""How much slice banks take together: what lies there, what makes room for a new one, and clearing up."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cmr_ssp.cache import cache_limit_bytes
from cmr_ssp.errors import CacheError, Problem, Severity
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
    """Who needs a bank now."""

    UNUSED = "unused"
    OPEN = "open"  # in some process
    BEING_BUILT = "being built"
    LEFT = "left half built"  # by a process that was killed


@dataclass(frozen=True, slots=True)
class StoredBank:
    """A bank on disk, opened by nobody for that.

    Attributes
    ----------
    folder : Path
        Where it lies; its name says nothing about subjects.
    n_bytes : int
        Of all its files.
    last_used : datetime
        When a training opened it last, in UTC.
    state : BankState
        Whether it may be removed.
    """

    folder: Path
    n_bytes: int
    last_used: datetime
    state: BankState


def stored_banks(parent: Path) -> tuple[StoredBank, ...]:
    """Return the banks in a folder, the least recently used first, then the unfinished ones."""
    finished = [_stored(path, _state(path)) for path in finished_banks(parent)]
    unfinished = [_stored(path, _state_of_unfinished(path)) for path in unfinished_banks(parent)]
    return (*sorted(finished, key=lambda bank: bank.last_used), *unfinished)


def make_room(parent: Path, n_bytes: int = 0) -> Problem | None:
    """Remove the least recently used banks until others and `n_bytes` stay within the limit.

    Parameters
    ----------
    parent : Path
        Folder of banks.
    n_bytes : int
        What a bank that is being built will take.

    Returns
    -------
    Problem or None
        A warning where the limit cannot be kept: banks that a process has open stay.

    Raises
    ------
    CacheError
        If the limit is set to something impossible.
    """
    limit = cache_limit_bytes()
    banks = [(path, _bytes(path)) for path in sorted(finished_banks(parent), key=_used)]
    total = sum(size for _, size in banks) + n_bytes
    for path, size in banks:
        if total > limit and _removed(path):
            total -= size
    if total <= limit:
        return None
    what = f"the slice banks in use take {gib(total)}, which is more than the {gib(limit)} allowed"
    remedy = "Raise CMR_SSP_CACHE_GIB, or allow for it."
    return Problem(str(parent), what, remedy, Severity.WARNING)


def clear_banks(parent: Path) -> tuple[tuple[StoredBank, ...], tuple[Problem, ...]]:
    """Remove every bank that nobody has open; return those that are gone, and why others stay."""
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
    """Return a size for people."""
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 / 10 else f"{n_bytes / 2**20:.1f} MiB"


def _why_kept(bank: StoredBank) -> Problem | None:
    """Remove a bank; return why it stays, None where it is gone."""
    try:
        if bank.state is not BankState.BEING_BUILT and _removed_if_unused(bank.folder):
            return None
    except CacheError as error:
        return error.problems[0]
    what = "a process builds it" if bank.state is BankState.BEING_BUILT else "a process has it open"
    return Problem(str(bank.folder), what, "Clear again when it has ended.", Severity.WARNING)


def _removed(folder: Path) -> bool:
    """Remove a bank where that is possible."""
    try:
        return _removed_if_unused(folder)
    except CacheError:
        return False


def _removed_if_unused(folder: Path) -> bool:
    with alone_with(folder) as alone:
        if alone and folder.exists():  # else another process was faster
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
    """Return what a bank takes; nothing where it vanishes meanwhile."""
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0


def _used(folder: Path) -> float:
    """Return when a bank was used last, in seconds since 1970; one that is not whole was made then."""
    for path in (folder / ABOUT, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0
