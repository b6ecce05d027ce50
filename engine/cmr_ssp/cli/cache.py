"""``cmr-ssp cache``: list and remove cached slice banks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmr_ssp.cli.options import Shown
from cmr_ssp.cli.terminal import make_table

if TYPE_CHECKING:
    from cmr_ssp.samples.bank.room import StoredBank


def list_banks(*, terminal: Shown) -> None:
    """List the cached slice banks: size, last use, and whether a process has them open."""
    from cmr_ssp.cache import cache_limit_bytes
    from cmr_ssp.samples.bank.room import gib, stored_banks
    from cmr_ssp.samples.bank.store import default_bank_folder

    folder, limit = default_bank_folder(), cache_limit_bytes()
    banks = stored_banks(folder)
    total = sum(bank.n_bytes for bank in banks)
    if banks:
        terminal.show(make_table(("slice bank", "size", "last used", "state"), map(_row, banks)))
    terminal.show(f"{folder}: {len(banks)} slice banks, {gib(total)} of {gib(limit)}")
    terminal.give(folder=folder, banks=[_described(b) for b in banks], bytes=total, limit_bytes=limit)


def clear(*, terminal: Shown) -> None:
    """Remove all slice banks except those that a process has open; they are rebuilt when needed."""
    from cmr_ssp.samples.bank.room import clear_banks, gib
    from cmr_ssp.samples.bank.store import default_bank_folder

    folder = default_bank_folder()
    removed, problems = clear_banks(folder)
    for problem in problems:
        terminal.problem(problem)
    freed = sum(bank.n_bytes for bank in removed)
    terminal.show(f"{folder}: {len(removed)} slice banks removed, {gib(freed)} freed")
    terminal.give(folder=folder, removed=[bank.folder.name for bank in removed], freed_bytes=freed)


def _row(bank: StoredBank) -> tuple[str, ...]:
    from cmr_ssp.samples.bank.room import gib

    used = bank.last_used.astimezone().strftime("%Y-%m-%d %H:%M")
    return (bank.folder.name, gib(bank.n_bytes), used, bank.state.value)


def _described(bank: StoredBank) -> dict[str, Any]:
    return {
        "name": bank.folder.name,
        "bytes": bank.n_bytes,
        "last_used": bank.last_used.isoformat(timespec="seconds"),
        "state": bank.state.value,
    }
