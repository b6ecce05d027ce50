"""What lies in a folder or zip archive from somebody else that should be a run; nothing in it is executed.

Only files that belong to a run can be read, by their names. Nothing is unpacked to the disk here.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

from cmr_ssp.errors import Problem, RunError
from cmr_ssp.files.cohorts import subfolders
from cmr_ssp.runs.listing import is_run
from cmr_ssp.runs.run import LOCK

REQUIRED = ("recipe.yaml", "split.yaml", "history.csv", "state.json", "last.safetensors")
"""Files without which a run is not complete."""

CARD = "card.yaml"
BELONGING = (*REQUIRED, "best.safetensors", "note.txt", "earlier.txt", "scores.csv", "best-scores.csv", CARD)
"""Files that are taken over: weights, recipe, record and scores, but nothing that shows patients."""

WEIGHTS = "model.safetensors"
MEMBERS = (CARD, "recipe.yaml", WEIGHTS)
"""The files of a bundle."""

IN_RUN = {WEIGHTS: "last.safetensors"}
"""Their names in a run, where these are other ones."""

MOST_BYTES = 4 * 2**30
"""Most bytes of a run; the largest preset has about 0.5 GiB."""

_MOST_TEXT_BYTES = 8 * 2**20
_MOST_FILES = 20_000
_MOST_NAMED = 5
_ENCRYPTED = 0x1
_RUNS_PROGRAMS = re.compile(
    r".+\.(pkl|pickle|pt|pth|ckpt|bin|joblib|dill|py|pyc|pyw|so|dll|dylib|exe|msi|com|scr|jar|app|sh|bash|"
    r"bat|cmd|ps1|vbs|js|lnk|desktop|command)",
    re.IGNORECASE,
)
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, LookupError, RuntimeError)
"""Errors of reading a damaged archive, apart from those of the system."""

BUNDLE_AGAIN = "Ask for the bundle again, as it was exported."
"""What to do about a bundle that was changed."""

_AGAIN = "Ask for the run folder again, as the training wrote it."


@dataclass(frozen=True, slots=True)
class Parcel:
    """A run from elsewhere that was listed, not read.

    Attributes
    ----------
    name : str
        Name of its folder.
    sizes : Mapping of str to int
        Bytes of each file that belongs to a run, by name.
    opener : callable
        Opens such a file for reading, by name.
    problems : tuple of Problem
        Why its files should not even be copied: their names, kinds and sizes.
    missing : tuple of Problem
        Files without which it is not complete.
    is_locked : bool
        Whether a job is working in it, or was interrupted.
    is_bundle : bool
        Whether it is a bundle; its weights are called as in a run.
    """

    name: str
    sizes: Mapping[str, int]
    opener: Callable[[str], IO[bytes]]
    problems: tuple[Problem, ...]
    missing: tuple[Problem, ...]
    is_locked: bool = False
    is_bundle: bool = False

    @property
    def n_bytes(self) -> int:
        """Bytes of all files that belong to the run."""
        return sum(self.sizes.values())


@contextmanager
def open_parcel(place: Path) -> Iterator[Parcel]:
    """List a run folder, a folder with one run, a zip archive of either, or a bundle, also unpacked.

    Raises
    ------
    RunError
        If it is missing, cannot be read, or has no run or several.
    """
    if place.is_dir():
        yield _of_folder(_run_in(place))
        return
    if not place.is_file():
        raise RunError.of(place, "it does not exist", "Choose a run folder, or a zip archive of one.")
    try:
        archive = zipfile.ZipFile(place)
    except (*DAMAGED, OSError) as error:
        raise RunError.of(place, "it cannot be read as a zip archive", "Copy it again.") from error
    with archive:
        yield _of_archive(place, archive)


def _run_in(folder: Path) -> Path:
    """Return the folder itself, or the only run in it."""
    is_one = is_run(folder) or _is_unpacked_bundle(folder)
    inside = [folder] if is_one else [each for each in subfolders(folder) if is_run(each)]
    return _only(folder, {each.name: each for each in inside})


def _only(place: Path, found: Mapping[str, Path]) -> Path:
    if not found:
        remedy = "Choose the folder that contains recipe.yaml and last.safetensors."
        raise RunError.of(place, "contains no run", remedy)
    if len(found) > 1:
        names = ", ".join(list(found)[:_MOST_NAMED]) + " ..." * (len(found) > _MOST_NAMED)
        raise RunError.of(place, f"contains several runs ({names})", "Choose the folder of one of them.")
    return next(iter(found.values()))


def _is_unpacked_bundle(folder: Path) -> bool:
    """Return whether a folder has the files of a bundle, as browsers unpack it and the hub stores it."""
    return not is_run(folder) and all((folder / name).is_file() for name in MEMBERS)


def _of_folder(folder: Path) -> Parcel:
    is_bundle = _is_unpacked_bundle(folder)
    names = MEMBERS if is_bundle else BELONGING
    files = {IN_RUN.get(name, name): folder / name for name in names if os.path.lexists(folder / name)}
    problems = [
        Problem(str(path), what, _AGAIN)
        for path in files.values()
        for is_wrong, what in (
            (not path.resolve().is_relative_to(folder.resolve()), "is a link to a file outside of the run"),
            (not path.is_file(), "is not a regular file"),
        )
        if is_wrong
    ][:_MOST_NAMED]
    below = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    every = [path.relative_to(folder).as_posix() for path in islice(below, _MOST_FILES + 1)]
    sizes = {name: path.stat().st_size for name, path in files.items() if path.is_file()}
    problems += [*_contents_problems(folder, every), *_size_problems(folder, sizes)]
    locked = (folder / LOCK).exists()
    missing = () if is_bundle else _missing(folder, sizes)
    return Parcel(
        folder.name,
        sizes,
        lambda name: files[name].open("rb"),
        tuple(problems),
        missing,
        locked,
        is_bundle,
    )


def _of_archive(place: Path, archive: zipfile.ZipFile) -> Parcel:
    members = [each for each in archive.infolist() if not each.is_dir()]
    names = {each.filename for each in members}
    if WEIGHTS in names or (CARD in names and "last.safetensors" not in names):
        return _of_bundle(place, archive, members)
    roots = {
        str(path.parent): Path(path.parent)
        for path in (PurePosixPath(each.filename) for each in members)
        if path.name in ("state.json", "last.safetensors")
    }
    root = PurePosixPath(_only(place, roots).as_posix())
    own = [each for each in members if PurePosixPath(each.filename).parent == root]
    files = {PurePosixPath(each.filename).name: each for each in own}
    files = {name: files[name] for name in BELONGING if name in files}
    problems = _member_problems(place, archive, members)
    sizes = {name: each.file_size for name, each in files.items()}
    problems += _size_problems(place, sizes)
    name = root.name or place.stem
    locked = any(each.filename == str(root / LOCK) for each in members)
    # zipfile reads no more of a member than its stated size, and checks its sum
    return Parcel(
        name, sizes, lambda name: archive.open(files[name]), tuple(problems), _missing(place, sizes), locked
    )


def _of_bundle(place: Path, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Parcel:
    files = {IN_RUN.get(each.filename, each.filename): each for each in members}
    problems = _member_problems(place, archive, members)
    problems += [
        Problem(f"{place}/{each.filename}", what, BUNDLE_AGAIN)
        for each in members
        for is_wrong, what in (
            (each.filename not in MEMBERS, "is no part of a bundle"),
            (each.compress_type != zipfile.ZIP_STORED, "is compressed, which no part of a bundle is"),
        )
        if is_wrong
    ][:_MOST_NAMED]
    sizes = {name: each.file_size for name, each in files.items()}
    problems += _size_problems(place, sizes)
    lacking = sorted(set(MEMBERS) - {each.filename for each in members})
    what = "is missing: the bundle is not complete"
    missing = tuple(Problem(f"{place}/{name}", what, BUNDLE_AGAIN) for name in lacking)
    return Parcel(
        place.stem, sizes, lambda name: archive.open(files[name]), tuple(problems), missing, is_bundle=True
    )


def _member_problems(place: Path, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> list[Problem]:
    """Refuse tricks with names and kinds, and programs and pickles."""
    problems = [
        Problem(f"{place}/{each.filename}", what, _AGAIN)
        for each in members
        for is_wrong, what in (
            (not _is_inside(each.filename), "has a path that leads out of the archive"),
            (bool(each.flag_bits & _ENCRYPTED), "is protected by a password"),
            (stat.S_ISLNK(each.external_attr >> 16), "is a link"),
            (archive.getinfo(each.filename) is not each, "is contained twice"),
        )
        if is_wrong
    ][:_MOST_NAMED]
    return problems + _contents_problems(place, [each.filename for each in members[: _MOST_FILES + 1]])


def _is_inside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." not in parts and "\\" not in name and not name.startswith("/") and ":" not in parts[0]


def _contents_problems(place: Path, names: list[str]) -> list[Problem]:
    """Refuse programs and pickles, which no run contains, and folders that are more than a run."""
    if len(names) > _MOST_FILES:
        what = f"contains more than {_MOST_FILES} files, so it is more than a run"
        return [Problem(str(place), what, "Choose the folder of the run alone.")]
    risky = [name for name in names if _RUNS_PROGRAMS.fullmatch(PurePosixPath(name).name)]
    remedy = "No run contains such a file. Ask where it comes from, and for the run folder without it."
    what = "is a program or a pickle, which can run a program when it is opened"
    return [Problem(f"{place}/{name}", what, remedy) for name in risky[:_MOST_NAMED]]


def _size_problems(place: Path, sizes: Mapping[str, int]) -> list[Problem]:
    problems = [
        Problem(f"{place}/{name}", "is larger than such a file of any run", _AGAIN)
        for name, size in sizes.items()
        if size > _MOST_TEXT_BYTES and not name.endswith(".safetensors")
    ]
    if sum(sizes.values()) > MOST_BYTES:
        what = f"is larger than {MOST_BYTES // 2**30} GiB, more than any run"
        problems.append(Problem(str(place), what, _AGAIN))
    return problems


def _missing(place: Path, sizes: Mapping[str, int]) -> tuple[Problem, ...]:
    what = "is missing: the run is not complete"
    return tuple(Problem(f"{place}/{name}", what, _AGAIN) for name in REQUIRED if name not in sizes)
