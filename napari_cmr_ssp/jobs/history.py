"""The last ended jobs of a workspace, in a file that several windows may write; independent of Qt."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmr_ssp.atomic import keep_copy, write_text
from cmr_ssp.errors import CmrSspError, OutputError, Problem, Severity, escaped
from cmr_ssp.events import Outcome
from cmr_ssp.locking import holding

from napari_cmr_ssp.jobs.job import Job, JobResult

N_KEPT = 50
"""Number of jobs in the history."""

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job in the history.

    Attributes
    ----------
    title : str
        Title of the job.
    outcome : Outcome
        How it ended.
    ended : datetime
        When it ended, with time zone.
    seconds : float or None
        How long it ran; None if it was cancelled before it started.
    folder : Path or None
        Its run or the folder of its result; None if nothing was kept.
    problem : str
        The first problem in words; empty if there was none.
    """

    title: str
    outcome: Outcome
    ended: datetime
    seconds: float | None
    folder: Path | None
    problem: str

    @classmethod
    def of(cls, job: Job, result: JobResult) -> EndedJob:
        """Return the entry of a job that ends now."""
        folder = job.result_folder or job.run_folder
        kept = folder if folder is not None and folder.exists() else None
        problem = str(result.problems[0].without_paths()) if result.problems else ""
        return cls(job.title, result.outcome, datetime.now(UTC), result.seconds, kept, problem)


class JobHistory:
    """Writes ended jobs to the file of the workspace in which they were started, and reads them.

    `add` and `read` access files, and are called in threads of the workers. They return problems instead of
    raising errors, since a job must not fail for its history. A damaged file is kept beside the new one.

    Parameters
    ----------
    file : callable
        Returns the file of the current workspace; called in the GUI thread.
    """

    def __init__(self, file: Callable[[], Path]) -> None:
        self._file = file
        self._file_of: dict[Job, Path] = {}
        self._reported: set[Problem] = set()

    @property
    def file(self) -> Path:
        """The file of the current workspace."""
        return self._file()

    def expect(self, job: Job) -> None:
        """Remember the workspace in which a job is started."""
        self._file_of[job] = self._file()

    def add(self, job: Job, result: JobResult) -> tuple[Problem, ...]:
        """Add an ended job, if it is expected."""
        file = self._file_of.pop(job, None)
        if file is None:
            return ()
        try:
            with _locked(file):
                before, problems = _usable(file)
                _write(file, (EndedJob.of(job, result), *before)[:N_KEPT])
            return problems
        except CmrSspError as error:
            return self._once(error.problems)

    def read(self, file: Path) -> tuple[tuple[EndedJob, ...], tuple[Problem, ...]]:
        """Return the jobs of a history, newest first, and the problems found."""
        if not file.exists():
            return (), ()
        try:
            with _locked(file):
                return _usable(file)
        except CmrSspError as error:
            return (), error.problems

    def _once(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """Return, as warnings, the problems that were not reported before: a full disk stays full."""
        warnings = (replace(problem, severity=Severity.WARNING) for problem in problems)
        new = tuple(problem for problem in warnings if problem not in self._reported)
        self._reported.update(new)
        return new


def _locked(file: Path) -> Any:
    busy = OutputError.of(file, "another window is writing it", "The job is missing in the history.")
    return holding(file.with_name(f".{file.name}.lock"), busy, _PATIENCE_S)


def _usable(file: Path) -> tuple[tuple[EndedJob, ...], tuple[Problem, ...]]:
    """Return the jobs in a file; a damaged one is kept under another name and replaced by an empty one."""
    try:
        return _read(file), ()
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        raise OutputError.of(
            file, f"it cannot be read ({error.strerror})", "Check its permissions."
        ) from error
    except (LookupError, TypeError, ValueError, RecursionError):
        copy = keep_copy(file)
        _write(file, ())
        what = "the history of jobs was damaged and starts afresh"
        return (), (Problem.warning(file, what, f"The old file is kept as {copy.name}."),)


def _read(file: Path) -> tuple[EndedJob, ...]:
    jobs = json.loads(file.read_text(encoding="utf-8"))["jobs"]
    return tuple(_from_json(each, file.parent) for each in jobs[:N_KEPT])


def _from_json(each: Any, base: Path) -> EndedJob:
    seconds, folder = each["seconds"], each["folder"]
    return EndedJob(
        title=str(each["title"]),
        outcome=Outcome(each["outcome"]),
        ended=datetime.fromisoformat(each["ended"]).astimezone(UTC),
        seconds=None if seconds is None else float(seconds),
        folder=None if folder is None else base / folder,
        problem=str(each["problem"]),
    )


def _write(file: Path, jobs: tuple[EndedJob, ...]) -> None:
    listed = [_to_json(each, file.parent) for each in jobs]
    write_text(file, json.dumps({"jobs": listed}, indent=1))


def _to_json(job: EndedJob, base: Path) -> dict[str, object]:
    folder = job.folder
    if folder is not None and folder.is_relative_to(base):  # stays valid if the workspace moves
        folder = folder.relative_to(base)
    return {
        "title": escaped(job.title),
        "outcome": str(job.outcome),
        "ended": job.ended.isoformat(timespec="seconds"),
        "seconds": None if job.seconds is None else round(job.seconds, 1),
        "folder": None if folder is None else escaped(folder.as_posix()),
        "problem": job.problem,
    }
