"""The frames of a cine to export, and their files, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import OutputError, Problem
from cmr_ssp.subjects import CineStack


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a cine, counted from 0, and its phase if known."""

    frame: int
    phase: Phase | None = None

    @property
    def name(self) -> str:
        """Part of the file names: ``frame07`` or ``frame07_ES``."""
        return f"frame{self.frame:02d}" + (f"_{self.phase}" if self.phase else "")


def check_moments(where: object, moments: Sequence[Moment], stack: CineStack) -> None:
    """Check that the cine has the requested frames."""
    lost = [moment.frame for moment in moments if not 0 <= moment.frame < stack.n_frames]
    if not moments or lost:
        what = f"it has no frame {', '.join(map(str, lost))}" if lost else "no frame was requested"
        raise OutputError.of(where, what, f"Choose frames from 0 to {stack.n_frames - 1}.")


def planned(
    folder: Path,
    name: str,
    moments: Sequence[Moment],
    stack: CineStack,
    endings: Sequence[str],
    *,
    replace: bool,
) -> list[list[Path]]:
    """Return the files to write for each ending, one per moment, after checking all of them.

    Raises
    ------
    OutputError
        If the cine does not have a frame, or a file is in the way.
    """
    check_moments(name, moments, stack)
    files = [[folder / f"{name}_{moment.name}{ending}" for moment in moments] for ending in endings]
    check_targets([path for paths in files for path in paths], stack.sources, replace=replace)
    return files


def check_targets(targets: Iterable[Path], sources: Iterable[Path] = (), *, replace: bool = False) -> None:
    """Check that files may be written: never over sources and folders, over other files only with `replace`.

    Raises
    ------
    OutputError
        If files are in the way; the error names all of them.
    """
    kept = [source for source in sources if source.exists()]
    problems = []
    for path in targets:
        if not path.exists():
            continue
        if path.is_dir():
            problems.append(Problem(str(path), "it is a folder", "Remove it or choose another folder."))
        elif any(path.samefile(source) for source in kept):
            problems.append(Problem(str(path), "it is a source file", "Choose another folder."))
        elif not replace:
            what = "it exists already"
            problems.append(Problem(str(path), what, "Choose another folder, or use --replace."))
    if problems:
        raise OutputError(*problems)
