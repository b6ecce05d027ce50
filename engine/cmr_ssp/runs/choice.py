"""The checkpoint of a run that a prediction uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cmr_ssp.errors import Problem, RunError
from cmr_ssp.runs.header import read_checkpoint_header
from cmr_ssp.runs.run import Run

CheckpointName = Literal["last", "best"]
"""The checkpoint of the last update, or the best one before or at it."""


@dataclass(frozen=True, slots=True)
class ChosenCheckpoint:
    """A checkpoint of a run, and a warning if it is the best one without validation."""

    path: Path
    problems: tuple[Problem, ...] = ()


def choose_checkpoint(run: Run, name: CheckpointName = "last") -> ChosenCheckpoint:
    """Return the checkpoint of a run that is called ``last`` or ``best``.

    Raises
    ------
    RunError
        If the run has no best checkpoint, or there is no such name.
    CheckpointError
        If the best checkpoint is damaged.
    """
    if name not in ("last", "best"):
        raise RunError.of("checkpoint", f"'{name}' is not the name of one", "Use last or best.")
    if name == "last":
        return ChosenCheckpoint(run.last)
    if not run.best.exists():
        what = "has no best checkpoint"
        raise RunError.of(run.folder, what, "Use the last one, or continue the run with --resume.")
    if read_checkpoint_header(run.best).validated:
        return ChosenCheckpoint(run.best)
    what = "was chosen without validation: it is the checkpoint with the lowest training loss"
    remedy = "Use the last checkpoint, or train with validation subjects (ten labelled subjects or more)."
    return ChosenCheckpoint(run.best, (Problem.warning(run.best, what, remedy),))
