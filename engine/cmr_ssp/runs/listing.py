"""Summaries of the runs in a folder, without reading tensors; damaged runs are listed as such."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from cmr_ssp.errors import RunError
from cmr_ssp.evaluation import Score, SubjectRole, mean_dice
from cmr_ssp.events import Outcome
from cmr_ssp.files.cohorts import subfolders
from cmr_ssp.recipes import Recipe, is_pretraining
from cmr_ssp.runs.claim import is_claimed
from cmr_ssp.runs.header import CheckpointHeader, file_digest, read_checkpoint_header
from cmr_ssp.runs.provenance import only_phantoms
from cmr_ssp.runs.run import Run
from cmr_ssp.runs.scores import stored_scores

_T = TypeVar("_T")


class RunState(StrEnum):
    """State of a run."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"  # by the user, or because its process was killed
    FAILED = "failed"
    DAMAGED = "damaged"  # some of its files cannot be read


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Summary of a run.

    Attributes
    ----------
    folder : Path
        Its folder.
    name : str
        Name of the folder.
    method : str
        A pretraining method, ``scratch`` or ``finetune``; empty if the run failed before writing its recipe.
    state : RunState
        Whether it runs, has finished, stopped or failed.
    update : int
        Finished updates; those of the last checkpoint unless the run is running.
    updates : int or None
        Total number of updates, None if the recipe counts epochs.
    labelled : Mapping of str to tuple of str
        Phases whose labels were used in training, by subject id.
    pretrained_from : str or None
        Name of the listed run from whose last checkpoint it started.
    has_checkpoint : bool
        Whether it has a checkpoint.
    has_best : bool
        Whether it also has a best checkpoint.
    mean_test_dice : float or None
        Mean 3D Dice over all scores of test subjects by the last checkpoint, None if there are none.
    n_test_subjects : int
        Number of test subjects with scores.
    problems : tuple of str
        Reasons for failure, and damaged files.
    modified : datetime
        Time of the last change by training, in UTC.
    note : str
        A note of the user; empty if there is none.
    data_licences : tuple of str
        Terms of its data, as far as they were named.
    """

    folder: Path
    name: str
    method: str
    state: RunState
    update: int
    updates: int | None
    labelled: Mapping[str, tuple[str, ...]]
    pretrained_from: str | None
    has_checkpoint: bool
    has_best: bool
    mean_test_dice: float | None
    n_test_subjects: int
    problems: tuple[str, ...]
    modified: datetime
    note: str = ""
    data_licences: tuple[str, ...] = ()

    @property
    def segments(self) -> bool:
        """Whether it has a network that segments."""
        return self.has_checkpoint and bool(self.method) and not is_pretraining(self.method)

    @property
    def knows_only_phantoms(self) -> bool:
        """Whether all labels that it was trained on are of phantoms, so that it finds nothing in patients."""
        return only_phantoms(self.labelled)


def list_runs(folder: Path) -> tuple[RunSummary, ...]:
    """List the runs in a folder or one level deeper, newest first.

    To find the run from which another started, candidate checkpoints are hashed; digests of unchanged files
    are cached. Damaged runs are listed as such, without raising errors.
    """
    found = [_read(place) for place in _run_folders(folder)]
    headers = {summary.folder: header for summary, header in found if header is not None}
    named = (replace(summary, pretrained_from=_source(summary.folder, headers)) for summary, _ in found)
    return tuple(sorted(named, key=lambda run: run.modified, reverse=True))


def _run_folders(folder: Path) -> Iterable[Path]:
    for place in subfolders(folder):
        if is_run(place):
            yield place
        else:
            yield from filter(is_run, subfolders(place))


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run; a run that failed early has only its state."""
    return any((folder / name).is_file() for name in ("state.json", "last.safetensors"))


def _read(folder: Path) -> tuple[RunSummary, CheckpointHeader | None]:
    """Return the summary of a run, and the header of its checkpoint if it has one."""
    run, damage = Run(folder), list[str]()

    def attempt(read: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return read()
        except Exception as error:  # a damaged file must not stop the list
            damage.append(str(error))
            return otherwise

    header = attempt(lambda: read_checkpoint_header(run.last) if run.last.exists() else None, None)
    recipe = header.recipe if header is not None else attempt(lambda: _recipe(run), None)
    unknown: tuple[Outcome | None, tuple[str, ...]] = (None, ())
    ended, problems = attempt(run.read_state, unknown)
    state = RunState(ended) if ended is not None else _unended(run)
    written = attempt(lambda: _last_update(run), 0)
    scores = attempt(lambda: stored_scores(run), tuple[Score, ...]())
    test = [score for score in scores if score.role is SubjectRole.TEST]
    kept = header.update if header is not None else 0
    summary = RunSummary(
        folder=folder,
        name=folder.name,
        method=recipe.method if recipe is not None else "",
        state=RunState.DAMAGED if damage else state,
        update=max(kept, written) if state is RunState.RUNNING or header is None else kept,
        updates=recipe.updates if recipe is not None else None,
        labelled=attempt(lambda: _labelled(header), {}),
        pretrained_from=None,
        has_checkpoint=header is not None,
        has_best=header is not None and run.best.exists(),
        mean_test_dice=mean_dice(test),
        n_test_subjects=len({score.subject for score in test}),
        problems=(*problems, *damage),
        modified=_modified(run),
        note=attempt(run.read_note, ""),
        data_licences=tuple(header.provenance.data_licences) if header is not None else (),
    )
    return summary, header


def _unended(run: Run) -> RunState:
    """Return the state of a run without outcome: still running, or killed."""
    return RunState.RUNNING if is_claimed(run) else RunState.STOPPED


def _recipe(run: Run) -> Recipe | None:
    return run.recipe() if run.recipe_file.exists() else None


def _last_update(run: Run) -> int:
    """Return the update in the last complete row of the history; the next may be in progress."""
    if not run.history.exists():
        return 0
    try:
        lines = run.history.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        names, values = csv.reader([lines[0], lines[-1]])
        place = names.index("update")
        return int(values[place]) if len(lines) > 1 else 0
    except (OSError, IndexError, ValueError, csv.Error) as error:
        raise RunError.of(run.history, f"is not a valid history ({error})", "Restore the file.") from None


def _labelled(header: CheckpointHeader | None) -> dict[str, tuple[str, ...]]:
    if header is None:
        return {}
    seen = header.provenance
    return {name: tuple(seen.phases[name]) for name in seen.training}


def _modified(run: Run) -> datetime:
    files = (run.last, run.history, run.folder / "state.json")
    times = [path.stat().st_mtime for path in files if path.exists()]
    return datetime.fromtimestamp(max(times, default=0.0), UTC)


def _source(folder: Path, headers: Mapping[Path, CheckpointHeader]) -> str | None:
    """Return the name of the run from which another started; only runs with the same data are hashed."""
    header = headers.get(folder)
    if header is None or not header.provenance.pretrained_from:
        return None
    for place, other in headers.items():
        seen = {**other.provenance.pretraining, **other.provenance.training}
        same = place != folder and seen == header.provenance.pretraining
        if same and _digest(Run(place).last) == header.provenance.pretrained_from:
            return place.name
    return None


def _digest(path: Path) -> str:
    try:
        about = path.stat()
        return _digest_of(path, about.st_size, about.st_mtime_ns)
    except OSError:  # it was removed, or cannot be read
        return ""


@lru_cache(maxsize=4096)
def _digest_of(path: Path, size: int, modified_ns: int) -> str:
    del size, modified_ns  # only cache keys, to notice changes of the file
    return file_digest(path)
