"""The files of a slice bank, and the digest that detects changes to them."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cmr_ssp.errors import CacheError

PIXELS, INDEX, ABOUT = "slices.bin", "index.npy", "bank.json"
BANK_FILES = frozenset({PIXELS, INDEX, ABOUT})
_BLOCK = 2**20
_MOST_BLOCKS = 256  # the whole bank up to 256 MiB; more would delay every start on a slow disk


def seal(folder: Path, about: dict[str, Any]) -> None:
    """Write the metadata of a bank with the digest of all files, and flush everything to disk."""
    _flush(folder / INDEX)
    _flush(folder / PIXELS)
    about = about | {"digest": _digest(folder, about)}
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    _flush(folder / ABOUT)
    flush_folder(folder)


def read_about(folder: Path) -> dict[str, Any]:
    """Read the metadata of a bank.

    Raises
    ------
    CacheError
        If the file is missing or invalid.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(folder, f"{ABOUT} cannot be read") from error
    if not isinstance(about, dict):
        raise damaged(folder, f"{ABOUT} is invalid")
    return about


def check(folder: Path, about: dict[str, Any]) -> None:
    """Check that the files of a bank match its digest.

    Raises
    ------
    CacheError
        If the files differ from the digest.
    """
    about = dict(about)
    expected = about.pop("digest", None)
    try:
        found = _digest(folder, about)
    except OSError as error:
        raise damaged(folder, f"it cannot be read ({error.strerror})") from error
    if found != expected:
        raise damaged(folder, "its files changed after they were written")


def damaged(folder: Path, what: str) -> CacheError:
    """Return the error for a damaged bank."""
    remedy = "Remove it with `cmr-ssp cache clear`; it is rebuilt when needed."
    return CacheError.of(folder, f"the slice bank is damaged: {what}", remedy)


def flush_folder(folder: Path) -> None:
    """Flush the directory entries of a folder to disk, where the system supports it."""
    with suppress(OSError):  # Windows cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _digest(folder: Path, about: dict[str, Any]) -> str:
    """Return the SHA-256 of metadata, index, and size and evenly spaced blocks of the pixels."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update((folder / INDEX).read_bytes())
    with (folder / PIXELS).open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(f"|{size}|".encode())
        for start in _block_starts(size):
            file.seek(start)
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def _block_starts(size: int) -> list[int]:
    """Return the offsets of the blocks: all of a small file, or evenly spaced from start to end."""
    if size <= _BLOCK * _MOST_BLOCKS:
        return list(range(0, size, _BLOCK))
    return [(size - _BLOCK) * number // (_MOST_BLOCKS - 1) for number in range(_MOST_BLOCKS)]
