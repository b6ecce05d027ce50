"""Output folders with a list of their files, so that a command can safely replace its own earlier output."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.atomic import write_bytes
from cmr_ssp.errors import OutputError, Problem

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class MadeFolder:
    """An output folder that a command can recognise and clear, but only while its files are unchanged.

    Attributes
    ----------
    list_name : str
        File in the folder that lists the other files with their digests.
    command, noun : str
        The command that creates the folder (``cmr-ssp demo``), and the name of its output (``demo``).
    remedy : str
        What the user can do about a folder that holds other files.
    """

    list_name: str
    command: str
    noun: str
    remedy: str

    def require_own(self, folder: Path) -> None:
        """Check that a folder is missing, empty, or holds only unchanged files of the command.

        Raises
        ------
        OutputError
            If it holds other or changed files; the error names them.
        """
        self._own(folder)

    def clear(self, folder: Path) -> None:
        """Remove the earlier output of the command, but not the folder itself.

        Raises
        ------
        OutputError
            As for `require_own`, before anything is removed.
        """
        files, folders = self._own(folder)
        try:
            for path in files:
                path.unlink()
            for path in folders:  # the deepest first
                path.rmdir()
        except OSError as error:
            raise OutputError.of(folder, f"it cannot be removed ({error.strerror})", self.remedy) from error

    def write_list(self, folder: Path, parts: Iterable[Path]) -> None:
        """Write the list of files, with their digests, that `clear` may remove while they are unchanged.

        Raises
        ------
        OutputError
            If the list cannot be written.
        """
        files = [file for part in parts for file in ([part] if part.is_file() else _inside(part)[0])]
        names = {_name(folder, path): path for path in files}
        rows = [f"{self._digest(path)}  ".encode() + name + b"\n" for name, path in sorted(names.items())]
        write_bytes(folder / self.list_name, self._head + b"".join(rows))

    @property
    def _head(self) -> bytes:
        what = "which removes these files before it makes them anew (SHA-256, name)"
        return f"# Made by `{self.command}`, {what}.\n".encode()

    def _own(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return all files and folders in a folder of this command, deepest folders first."""
        if not folder.is_symlink() and not folder.exists():
            return [], []
        if folder.is_symlink() or not folder.is_dir():
            raise OutputError.of(folder, f"exists and does not hold an earlier {self.noun}", self.remedy)
        made = self._listed(folder / self.list_name)
        files, folders = _inside(folder)
        if (files or folders) and made is None:
            raise OutputError.of(folder, f"exists and does not hold an earlier {self.noun}", self.remedy)
        self._refuse_others(folder, files, folders, made or {})
        return files, folders

    def _refuse_others(
        self, folder: Path, files: list[Path], folders: list[Path], made: dict[bytes, str]
    ) -> None:
        """Refuse files that the command did not write, or that changed afterwards."""
        digests = {path: made.get(_name(folder, path)) for path in files if path != folder / self.list_name}
        ours = {parent for path in files for parent in path.parents}
        strange = [path for path, digest in digests.items() if digest is None]
        strange += [path for path in folders if path not in ours]  # empty folders of others
        changed = [path for path, digest in digests.items() if digest not in (None, self._digest(path))]
        reasons = (
            (strange, f"it was not written by an earlier {self.noun}"),
            (changed, f"it was changed after the {self.noun} wrote it"),
        )
        problems = [
            Problem(str(path), what, self.remedy) for paths, what in reasons for path in paths[:_MOST_NAMED]
        ]
        if problems:
            raise OutputError(*problems)

    def _listed(self, path: Path) -> dict[bytes, str] | None:
        """Read the list: the digest of each file by name, or None if `path` is not such a list."""
        try:
            content = path.read_bytes() if path.is_file() else b""
        except OSError:
            return None
        return dict(_rows(content.removeprefix(self._head))) if content.startswith(self._head) else None

    def _digest(self, path: Path) -> str:
        """Return the SHA-256 of a regular file, or a text that equals no digest."""
        if path.is_symlink() or not path.is_file():
            return "no regular file"
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise OutputError.of(path, f"it cannot be read ({error.strerror})", self.remedy) from error


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files (including links) and folders below a folder, deepest folders first."""
    files, folders = [], []
    for parent, below, names in os.walk(folder, topdown=False):
        entries = [Path(parent, name) for name in (*below, *names)]
        folders += [path for path in entries if path.is_dir() and not path.is_symlink()]
        files += [path for path in entries if not path.is_dir() or path.is_symlink()]
    return files, folders


def _rows(content: bytes) -> Iterator[tuple[bytes, str]]:
    for row in content.splitlines():
        digest, _, name = row.partition(b"  ")
        yield name, digest.decode("ascii", "replace")


def _name(folder: Path, path: Path) -> bytes:
    return os.fsencode(path.relative_to(folder).as_posix())
