"""Check a run that was trained elsewhere, and copy it into a folder of runs, complete or not at all."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from cmr_ssp.errors import CmrSspError, OutputError, Problem, RunError, Severity
from cmr_ssp.events import Cancel, OnEvent, Outcome, Preparing, ignore_events
from cmr_ssp.files.cohorts import subfolders
from cmr_ssp.recipes import is_pretraining
from cmr_ssp.runs.bundles import unpack_bundle
from cmr_ssp.runs.header import CheckpointHeader, file_digest, read_checkpoint_header
from cmr_ssp.runs.parcels import DAMAGED, Parcel, open_parcel
from cmr_ssp.runs.run import Run
from cmr_ssp.runs.scores import stored_scores

CheckWeights = Callable[[Path], tuple[Problem, ...]]
"""Reads a whole checkpoint, raises an error if it cannot segment, and returns warnings."""

_CHUNK = 2**20
_PICKLES = (b"\x80", b"PK")
_NAME = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 90
_MAY_CHANGE = {"epochs", "updates", "precision", "threads"}
_SUFFIX = ".arriving"
_STALE_S = 86_400.0  # a copy takes seconds; after a day, its process was killed
_AGAIN = "Ask for the run folder again, as the training wrote it."
_ANOTHER = "Ask for a run that was trained on labels of patients' exams."


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """A run that was copied, or was here already.

    Attributes
    ----------
    folder : Path
        The run in the folder of runs.
    is_new : bool
        Whether it was copied; False if the same run was here already.
    n_bytes : int
        Size of its files.
    problems : tuple of Problem
        Warnings.
    """

    folder: Path
    is_new: bool
    n_bytes: int
    problems: tuple[Problem, ...] = ()


def bring_in_run(
    place: Path,
    runs: Path,
    check_weights: CheckWeights,
    *,
    taken: Collection[Path] = (),
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> BroughtIn:
    """Check a run from elsewhere, and copy what belongs to a run into a folder of runs.

    Segmentations and records, which show patients, are not copied. The source is only read.

    Parameters
    ----------
    place : Path
        A run folder, a folder with one run, a zip archive of either, or a bundle.
    runs : Path
        The folder of runs; created if needed.
    check_weights : callable
        Checks the tensors of a checkpoint; `cmr_ssp.jobs.bring_in` has one.
    taken : collection of Path
        Folders that waiting jobs will create.
    on_event, cancel
        Progress in MB, and a request to stop, after which nothing remains.

    Raises
    ------
    RunError
        If it is not a run that segments patients' exams; the error has every problem.
    OutputError
        If it cannot be copied.
    """
    cancel = cancel or Cancel()
    with open_parcel(place) as parcel:
        if parcel.problems:
            raise RunError(*parcel.problems, *parcel.missing)
        _require_space(runs, parcel.n_bytes)
        with _arriving(runs) as staged:
            _copy(parcel, place, staged, on_event, cancel)
            unpacked = unpack_bundle(Run(staged)) if parcel.is_bundle and not parcel.missing else ()
            if not unpacked and (same := _same_run(Run(staged), runs)) is not None:
                return BroughtIn(same, is_new=False, n_bytes=parcel.n_bytes)
            found = [*parcel.missing, *unpacked, *_checked(Run(staged), parcel, check_weights, cancel)]
            problems = tuple(_at(problem, staged, place) for problem in dict.fromkeys(found))
            if any(problem.severity is Severity.ERROR for problem in problems):
                raise RunError(*problems)
            cancel.check()
            return BroughtIn(_settle(staged, runs, parcel.name, taken), True, parcel.n_bytes, problems)


def _require_space(runs: Path, n_bytes: int) -> None:
    existing = next(each for each in (runs, *runs.absolute().parents) if each.exists())
    if shutil.disk_usage(existing).free < n_bytes:
        what = f"has too little space for {n_bytes / 1e6:.0f} MB"
        raise OutputError.of(runs, what, "Free disk space, or choose another folder of runs.")


@contextmanager
def _arriving(runs: Path) -> Iterator[Path]:
    """Yield a hidden folder beside the runs, which is removed unless it was renamed."""
    staged = runs / f".{uuid.uuid4().hex[:8]}{_SUFFIX}"
    try:
        staged.mkdir(parents=True)
        _remove_stale(runs)
        yield staged
    except OSError as error:
        what = f"it cannot be copied here ({error.strerror or error})"
        raise OutputError.of(runs, what, "Free disk space, or choose another folder of runs.") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _remove_stale(runs: Path) -> None:
    """Remove copies of a process that was killed."""
    for folder in runs.glob(f".*{_SUFFIX}"):
        if time.time() - folder.stat().st_mtime > _STALE_S:
            shutil.rmtree(folder, ignore_errors=True)


def _copy(parcel: Parcel, place: Path, staged: Path, on_event: OnEvent, cancel: Cancel) -> None:
    total, done = max(1, round(parcel.n_bytes / 1e6)), 0
    for name in parcel.sizes:
        with _open(parcel, name, place) as source, (staged / name).open("xb") as target:
            while chunk := _read(source, place / name):
                cancel.check()
                target.write(chunk)
                done += len(chunk)
                on_event(Preparing("MB copied", min(total, round(done / 1e6)), total))
            target.flush()
            os.fsync(target.fileno())


def _open(parcel: Parcel, name: str, place: Path) -> IO[bytes]:
    try:
        return parcel.opener(name)
    except (*DAMAGED, OSError) as error:
        raise RunError.of(place / name, f"cannot be read ({error})", "Copy it again.") from error


def _read(source: IO[bytes], path: Path) -> bytes:
    try:
        return source.read(_CHUNK)
    except (*DAMAGED, OSError) as error:
        raise RunError.of(path, f"is damaged ({error})", "Copy it again.") from error


def _same_run(staged: Run, runs: Path) -> Path | None:
    """Return the run whose last checkpoint has the same bytes, which are recipe, data, weights and scores."""
    if not staged.last.is_file():
        return None
    size, digest = staged.last.stat().st_size, file_digest(staged.last)
    for folder in subfolders(runs):
        last = Run(folder).last
        if last.is_file() and last.stat().st_size == size and file_digest(last) == digest:
            return folder
    return None


def _checked(run: Run, parcel: Parcel, check_weights: CheckWeights, cancel: Cancel) -> list[Problem]:
    """Return everything wrong with the content of a run."""
    problems: list[Problem] = []

    def attempt(read: Callable[[], object]) -> object:
        try:
            return read()
        except CmrSspError as error:
            problems.extend(error.problems)
        except (OSError, ValueError) as error:
            problems.append(Problem(str(run.folder), f"cannot be read ({error})", _AGAIN))
        return None

    for name, read in {
        "recipe.yaml": run.recipe,
        "split.yaml": run.split,
        "history.csv": run.read_history,
        "scores.csv": lambda: stored_scores(run),
        "best-scores.csv": lambda: stored_scores(run, "best"),
    }.items():
        if name in parcel.sizes:
            attempt(read)
    state = attempt(run.read_state)
    failed = isinstance(state, tuple) and state[0] is Outcome.FAILED
    if failed or (isinstance(state, tuple) and state[0] is None and parcel.is_locked):
        what = "its training failed" if failed else "a training is still working in it"
        remedy = "Resume it where it was trained, and wait for its end."
        problems.append(Problem(str(run.folder), what, remedy))
    for path in (run.last, run.best):
        cancel.check()
        if path.exists():
            problems += _checkpoint_problems(run, path, check_weights)
    return problems


def _checkpoint_problems(run: Run, path: Path, check_weights: CheckWeights) -> tuple[Problem, ...]:
    with path.open("rb") as file:
        if file.read(2).startswith(_PICKLES):
            what = "is a pickle, not safetensors; it was not opened, as it could run a program"
            return (Problem(str(path), what, _AGAIN),)
    try:
        header = read_checkpoint_header(path)
        problems = use_problems(path, header) + _fit_problems(run, path, header)
        return problems or check_weights(path)
    except CmrSspError as error:
        return error.problems


def use_problems(path: Path, header: CheckpointHeader) -> tuple[Problem, ...]:
    """Return why a network is of no use for patients' exams."""
    if is_pretraining(header.recipe.method):
        what = "is a pretrained network, which does not segment yet"
        remedy = "Ask for a run that was trained on labels, or train it under Train where it is."
    elif not header.update or not header.provenance.training:
        what, remedy = "was not trained on any label", _ANOTHER
    elif header.provenance.knows_only_phantoms:
        what, remedy = "was trained on synthetic hearts and finds nothing in patients", _ANOTHER
    else:
        return ()
    return (Problem(str(path), what, remedy),)


def _fit_problems(run: Run, path: Path, header: CheckpointHeader) -> tuple[Problem, ...]:
    """Compare the recipe in a checkpoint with that of the run, apart from what a resumed run may change."""
    try:
        stated, stored = (each.model_dump(mode="json") for each in (run.recipe(), header.recipe))
    except CmrSspError:
        return ()  # reported already
    compared = {**stated, **stored}.keys() - _MAY_CHANGE
    other = [key for key in compared if stated.get(key) != stored.get(key)]
    if not other:
        return ()
    what = f"was not trained with the recipe of its run (other {', '.join(sorted(other))})"
    return (Problem(str(path), what, _AGAIN),)


def _at(problem: Problem, staged: Path, place: Path) -> Problem:
    """Name the source instead of the copy."""
    texts = {name: getattr(problem, name).replace(str(staged), str(place)) for name in ("where", "what")}
    return replace(problem, **texts)


def _settle(staged: Path, runs: Path, name: str, taken: Collection[Path]) -> Path:
    """Rename the complete copy to the first free name of NAME, NAME-2, ..."""
    base = _NAME.sub("-", name).strip("-._")[:_LONGEST_NAME] or "run"
    number = 1
    while True:
        folder = runs / (base if number == 1 else f"{base}-{number}")
        if not (os.path.lexists(folder) or folder in taken):
            return staged.rename(folder)
        number += 1
