"""The frames of a cine to export, and their files, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import OutputError, Problem, RecipeError
from cmr_ssp.function import find_ed_es, frame_volumes
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


def find_moments(
    wanted: str, volumes: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> list[Moment]:
    """Parse a list of frames; a segmentation of one frame has only that one.

    Parameters
    ----------
    wanted : str
        ``ED,ES`` by LV volume, ``all`` labelled frames, or numbers from 0 as in ``0,12``.
    volumes : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    spacing_mm : tuple of float
        Distance between slices, rows and columns.

    Raises
    ------
    RecipeError
        If a part is not a frame, or the volumes do not define a phase.
    """
    measured = frame_volumes(volumes, spacing_mm, "")
    labelled = [row.frame for row in measured if any(ml is not None for ml in row.ml.values())]
    phases = find_ed_es([row.ml[Structure.LV] for row in measured])
    named = {frame: phase for phase, frame in phases.items()}
    if wanted.strip().lower() == "all":
        return [Moment(t, named.get(t)) for t in labelled]
    moments = []
    for part in filter(None, map(str.strip, wanted.split(","))):
        phase = Phase(part.upper()) if part.upper() in list(Phase) else None
        if phase is not None and phase not in phases:
            if len(labelled) == 1:
                return [Moment(labelled[0])]
            what = f"the LV volumes do not define {phase}"
            raise RecipeError.of("--frames", what, "Use frame numbers, from 0.")
        if phase is None and not part.isdecimal():
            raise RecipeError.of("--frames", f"'{part}' is not a frame", "Use ED,ES or all or 0,12.")
        frame = phases[phase] if phase else int(part)
        moments.append(Moment(frame, named.get(frame)))
    return list(dict.fromkeys(moments))


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
