"""Jobs and their results; independent of threads and Qt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.recipes import Recipe

Work = Callable[[OnEvent, Cancel], object]
"""The work of a job: reports events, checks the cancel and returns a result; may import torch."""

Smaller = Callable[[Mapping[str, int], Collection[Path]], "Job"]
"""Makes a training with changed settings; the other argument are the reserved folders."""


@dataclass(slots=True, eq=False)
class Job:
    """A task to run in the background.

    Attributes
    ----------
    title : str
        Title for the user.
    work : callable
        Work of the job.
    run_folder : Path or None
        Folder of the run that it writes.
    resumes : bool
        Whether it continues a run, which therefore cannot be discarded.
    is_silent : bool
        Whether to show it only if it fails.
    result : str
        Text that says where the result is.
    result_folder : Path or None
        Folder of the result.
    reads : Path or None
        Folder of another run that it reads.
    recipe : Recipe or None
        Settings of the training that it starts.
    smaller : callable or None
        Makes the same training with other settings, as a new run in a folder that is not reserved.
    follow : callable
        Called with each of its events in the GUI thread.
    """

    title: str
    work: Work
    run_folder: Path | None = None
    resumes: bool = False
    is_silent: bool = False
    result: str = ""
    result_folder: Path | None = None
    reads: Path | None = None
    recipe: Recipe | None = None
    smaller: Smaller | None = None
    follow: OnEvent = ignore_events
    cancel: Cancel = field(default_factory=Cancel)
    discarded: bool = False

    @property
    def can_be_kept(self) -> bool:
        """Whether a part of its result remains if it is stopped."""
        return self.run_folder is not None

    @property
    def can_be_discarded(self) -> bool:
        """Whether it creates a run."""
        return self.run_folder is not None and not self.resumes


@dataclass(frozen=True, slots=True, eq=False)
class JobResult:
    """Outcome of a job, and the return value of its work.

    Attributes
    ----------
    outcome : Outcome
        Whether it finished, was stopped or failed.
    problems : tuple of Problem
        What went wrong.
    value : object
        Return value of its work.
    seconds : float or None
        How long it ran; None if it was cancelled before it started.
    """

    outcome: Outcome
    problems: tuple[Problem, ...] = ()
    value: object = None
    seconds: float | None = None
