"""Which frames of a cine are taken away, and where to: checked before the first file is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import OutputError, Problem
from cmr_ssp.subjects import CineStack


@dataclass(frozen=True, slots=True)
class Moment:
    """A 0-based frame of a cine, and the phase that it is, where that is known."""

    frame: int
    phase: Phase | None = None

    @property
    def name(self) -> str:
        """What stands in the names of its files: ``frame07`` or ``frame07_ES``."""
        return f"frame{self.frame:02d}" + (f"_{self.phase}" if self.phase else "")


def check_moments(where: object, moments: Sequence[Moment], stack: CineStack) -> None:
    """Refuse frames that the cine does not have."""
    lost = [moment.frame for moment in moments if not 0 <= moment.frame < stack.n_frames]
    if not moments or lost:
        what = f"it has no frame {', '.join(map(str, lost))}" if lost else "no frame was asked for"
        raise OutputError.of(where, what, f"Ask for frames from 0 to {stack.n_frames - 1}.")


def planned(
    folder: Path,
    name: str,
    moments: Sequence[Moment],
    stack: CineStack,
    endings: Sequence[str],
    *,
    replace: bool,
) -> list[list[Path]]:
    """Return the files of each ending, one a moment, once nothing speaks against writing them all.

    Raises
    ------
    OutputError
        If the cine lacks a frame, or a file is in the way.
    """
    check_moments(name, moments, stack)
    files = [[folder / f"{name}_{moment.name}{ending}" for moment in moments] for ending in endings]
    check_targets([path for paths in files for path in paths], stack.sources, replace=replace)
    return files


def check_targets(targets: Iterable[Path], sources: Iterable[Path] = (), *, replace: bool = False) -> None:
    """Refuse, all at once, to write over sources, folders and, unless `replace`, over anything.

    Raises
    ------
    OutputError
        Naming every file that is in the way.
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
            problems.append(Problem(str(path), what, "Choose another folder, or ask to replace it."))
    if problems:
        raise OutputError(*problems)
