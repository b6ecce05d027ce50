"""Paths of segmentations, which never overwrite those of other exams or edited ones without request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, partial
from itertools import count
from pathlib import Path

from cmr_ssp.atomic import keep_copy
from cmr_ssp.errors import OutputError, Problem
from cmr_ssp.files import exam_id
from cmr_ssp.files.dicom import may_be_exam
from cmr_ssp.files.formats.nifti import SUFFIXES, stem_of
from cmr_ssp.files.labels.marks import KeepReason, cine_digest
from cmr_ssp.files.labels.writing import check_segmentation_target, reason_to_keep_file
from cmr_ssp.subjects import CineStack

_ENDING = "_seg.nii.gz"


def plan_targets(
    cines: Sequence[Path], stacks: Sequence[CineStack], output: Path, *, replace: bool
) -> list[Path]:
    """Return the path of the segmentation of each cine, if all of them can be written.

    Raises
    ------
    OutputError
        If files are in the way; the error names all of them.
    """
    targets: list[Path] = []
    problems: list[Problem] = []
    for cine, stack in zip(cines, stacks, strict=True):
        digest = cache(partial(_digest, stack))  # reads every pixel: at most once, and only if a file exists
        target = _target(cine, stack, digest, output, targets, len(cines))
        targets.append(target)
        try:
            known = digest() if target.exists() else ""
            check_segmentation_target(target, stack, known, predicts=True, replace=replace)
        except OutputError as error:
            problems += error.problems
    if len(set(targets)) < len(targets):
        problems.append(Problem(str(output), "several cines have the same name", "Segment them one by one."))
    if problems:
        raise OutputError(*problems)
    return targets


def free_target(folder: Path, name: str, stack: CineStack, digest: str) -> tuple[Path, tuple[Problem, ...]]:
    """Return the first of ``NAME_seg``, ``NAME-2_seg`` ... that may be written, and warnings for the others.

    Parameters
    ----------
    folder, name : Path, str
        Output folder, and the subject's id.
    stack, digest : CineStack, str
        The segmented cine, and its `cine_digest`.
    """
    in_the_way: list[tuple[Path, KeepReason]] = []
    for path in _names(folder, name):
        kept = reason_to_keep_file(path, stack, digest) if path.exists() else None
        if kept is None:
            break
        in_the_way.append((path, kept))
    remedy = f"The new file is {path.name}."
    return path, tuple(Problem.warning(old, f"{why}; it is kept", remedy) for old, why in in_the_way)


def back_up(path: Path, stack: CineStack, digest: str) -> tuple[Problem, ...]:
    """Copy a segmentation that cannot be computed again, before it is overwritten; return a warning."""
    kept = reason_to_keep_file(path, stack, digest) if path.exists() else None
    if kept is None or kept is KeepReason.FOREIGN:
        return ()
    copy = keep_copy(path)
    return (Problem.warning(path, f"{kept}; it is overwritten", f"The old file is kept as {copy.name}."),)


def _target(
    cine: Path,
    stack: CineStack,
    digest: Callable[[], str],
    output: Path,
    taken: Collection[Path],
    n_cines: int,
) -> Path:
    if output.name.endswith(SUFFIXES):
        if n_cines > 1:
            raise OutputError.of(output, f"is one file for {n_cines} cines", "Choose a folder.")
        return output
    if not may_be_exam(cine):
        return output / f"{stem_of(cine)}{_ENDING}"
    names = _names(output, exam_id(cine))  # the folder of an exam may be named after a person
    return next(path for path in names if path not in taken and not _is_of_another(path, stack, digest))


def _is_of_another(path: Path, stack: CineStack, digest: Callable[[], str]) -> bool:
    """Return whether a file belongs to another exam with the same id, as some anonymisers produce."""
    return path.exists() and reason_to_keep_file(path, stack, digest()) is KeepReason.OTHER_EXAM


def _names(folder: Path, name: str) -> Iterator[Path]:
    """Yield ``NAME_seg``, ``NAME-2_seg`` ... in a folder, without end."""
    yield folder / f"{name}{_ENDING}"
    yield from (folder / f"{name}-{number}{_ENDING}" for number in count(2))


def _digest(stack: CineStack) -> str:
    with stack.frames() as frames:
        return cine_digest(frames)
