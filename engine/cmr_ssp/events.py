"""What a running job says; every job ends with exactly one `JobEnded`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cmr_ssp.errors import Problem


class Outcome(StrEnum):
    """How a job ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # cancelled by the user, the state kept
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Preparing:
    """Part of the work before the first update is done, such as `done` of `total` subjects banked."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Training is about to start: where, on what, for how long, and with how much of the device's memory."""

    folder: Path
    device: str
    precision: str
    samples: int
    updates: int
    memory_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WeightsTransferred:
    """Pretrained weights were taken over: names of tensors loaded, left out on purpose, and missing there."""

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        """Return how many tensors those are."""
        return (
            f"{len(self.loaded)} tensors loaded, {len(self.left_out)} left out, "
            f"{len(self.missing)} not in the pretraining"
        )


@dataclass(frozen=True, slots=True)
class UpdateFinished:
    """The optimiser took a step; time left and slices a second are unknown during the first ones."""

    update: int
    updates: int
    loss: float
    seconds_left: float | None
    slices_a_second: float | None = None


@dataclass(frozen=True, slots=True)
class EpochFinished:
    """One pass over the slice samples is done; `scores` holds what was measured, by name."""

    epoch: int
    update: int
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CheckpointWritten:
    """A checkpoint lies on disk."""

    path: Path
    update: int


@dataclass(frozen=True, slots=True)
class ReconstructionReady:
    """A record of what masked image modelling rebuilds lies on disk."""

    path: Path
    update: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the user should know that stops nothing."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The last event of every job."""

    outcome: Outcome
    problems: tuple[Problem, ...] = ()


Event = (
    Preparing
    | RunStarted
    | WeightsTransferred
    | UpdateFinished
    | EpochFinished
    | CheckpointWritten
    | ReconstructionReady
    | Noticed
    | JobEnded
)
OnEvent = Callable[[Event], None]

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""

OnProblem = Callable[[Problem], None]
"""Called with something the user should know."""


def ignore_events(event: Event) -> None:
    """Do nothing with an event."""
    del event


def ignore_progress(done: int, total: int) -> None:
    """Do nothing with a count."""
    del done, total


def ignore_problem(problem: Problem) -> None:
    """Do nothing with a problem."""
    del problem


class Cancelled(Exception):  # noqa: N818 - an outcome, not an error
    """Somebody asked the job to stop; leads out of whatever it is doing."""


class Cancel:
    """A request to stop, looked at between micro-batches; may be made from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Ask the job to stop soon and keep what it has."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Leave the work where somebody asked.

        Raises
        ------
        Cancelled
            Then, and never otherwise; the job ends as `Outcome.STOPPED`.
        """
        if self.requested:
            raise Cancelled
