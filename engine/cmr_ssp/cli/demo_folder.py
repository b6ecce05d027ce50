"""The folder of a demo, with a list of what was made there: the next demo removes that and nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from cmr_ssp.atomic import write_bytes
from cmr_ssp.errors import OutputError, Problem

PARTS = ("cohort", "banks", "runs", "scores.csv", "overlays.png")
"""All that a demo writes beside its list."""

_LIST = "demo.txt"
_HEAD = b"# Made by `cmr-ssp demo`, which removes these files before it makes them anew (SHA-256, name).\n"
_MOST_NAMED = 5
_REMEDY = "Choose another --out folder, or remove it yourself."


def clear(folder: Path) -> None:
    """Remove what an earlier demo made; the folder itself stays.

    Raises
    ------
    OutputError
        Where something is there that no demo made, or that was changed since: nothing is removed then.
    """
    if not folder.is_symlink() and not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise OutputError.of(folder, "exists and holds no earlier demo", _REMEDY)
    made = _listed(folder / _LIST)
    files, folders = _inside(folder)
    if (files or folders) and made is None:
        raise OutputError.of(folder, "exists and holds no earlier demo", _REMEDY)
    _refuse_others(folder, files, folders, made or {})
    try:
        for path in files:
            path.unlink()
        for path in folders:  # the deepest first
            path.rmdir()
    except OSError as error:
        raise OutputError.of(folder, f"it cannot be removed ({error.strerror})", _REMEDY) from error


def record(folder: Path) -> None:
    """List the files that a demo made; the next one may remove them as long as they stay as they are.

    Raises
    ------
    OutputError
        Where the list cannot be written.
    """
    files = [path for part in PARTS for path in _inside(folder / part)[0]]
    files += [folder / part for part in PARTS if (folder / part).is_file()]
    names = {_name(folder, path): path for path in files}
    rows = [f"{_digest(path)}  ".encode() + name + b"\n" for name, path in sorted(names.items())]
    write_bytes(folder / _LIST, _HEAD + b"".join(rows))


def _refuse_others(folder: Path, files: list[Path], folders: list[Path], made: dict[bytes, str]) -> None:
    """Name everything that no demo made, or that is not as it was made."""
    strange = [path for path in files if path != folder / _LIST and _name(folder, path) not in made]
    changed = [path for path in files if made.get(_name(folder, path), "same") not in ("same", _digest(path))]
    ours = {parent for path in files for parent in path.parents}
    strange += [path for path in folders if path not in ours]  # an empty folder of somebody
    problems = [Problem(str(path), "no demo made it", _REMEDY) for path in strange[:_MOST_NAMED]]
    problems += [
        Problem(str(path), "it was changed after the demo made it", _REMEDY) for path in changed[:_MOST_NAMED]
    ]
    if problems:
        raise OutputError(*problems)


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return files (links are files) and folders below a folder, the deepest folders first."""
    files, folders = [], []
    for parent, below, names in os.walk(folder, topdown=False):
        entries = [Path(parent, name) for name in (*below, *names)]
        folders += [path for path in entries if path.is_dir() and not path.is_symlink()]
        files += [path for path in entries if not path.is_dir() or path.is_symlink()]
    return files, folders


def _listed(path: Path) -> dict[bytes, str] | None:
    """Return the digest of each file in a list, by name; None where it is no such list."""
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError:
        return None
    if not content.startswith(_HEAD):
        return None
    return dict(_rows(content.removeprefix(_HEAD)))


def _rows(content: bytes) -> Iterator[tuple[bytes, str]]:
    for row in content.splitlines():
        digest, _, name = row.partition(b"  ")
        yield name, digest.decode("ascii", "replace")


def _name(folder: Path, path: Path) -> bytes:
    return os.fsencode(path.relative_to(folder).as_posix())


def _digest(path: Path) -> str:
    """Return the SHA-256 of a regular file, else what no file has."""
    if path.is_symlink() or not path.is_file():
        return "no regular file"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OutputError.of(path, f"it cannot be read ({error.strerror})", _REMEDY) from error
