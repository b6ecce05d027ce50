"""Something to do in the background, and what came of it; knows no thread and no Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel, OnEvent, Outcome

Work = Callable[[OnEvent, Cancel], object]
"""Does a job: tells events, looks at the cancel, returns a result. May import torch, which takes seconds."""


@dataclass(slots=True, eq=False)
class Job:
    """Something to do in the background.

    Attributes
    ----------
    title : str
        What the user reads.
    work : callable
        The work itself.
    run_folder : Path or None
        The run that it makes.
    resumes : bool
        It continues a run, which therefore cannot be discarded as a whole.
    is_silent : bool
        Nobody asked for it: it is spoken of only where it fails.
    result : str
        Where its result is found, in words.
    result_folder : Path or None
        The folder of its result.
    """

    title: str
    work: Work
    run_folder: Path | None = None
    resumes: bool = False
    is_silent: bool = False
    result: str = ""
    result_folder: Path | None = None
    cancel: Cancel = field(default_factory=Cancel)
    discarded: bool = False

    @property
    def can_be_kept(self) -> bool:
        """Whether stopping it early leaves something of use."""
        return self.run_folder is not None

    @property
    def can_be_discarded(self) -> bool:
        """Whether it makes a run of its own."""
        return self.run_folder is not None and not self.resumes


@dataclass(frozen=True, slots=True, eq=False)
class JobResult:
    """How a job ended, and what its work returned."""

    outcome: Outcome
    problems: tuple[Problem, ...] = ()
    value: object = None
