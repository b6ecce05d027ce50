"""Events that a running job reports; every job ends with exactly one `JobEnded`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.errors import Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Outcome(StrEnum):
    """How a job ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # cancelled by the user; the state is saved
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Preparing:
    """Progress of the preparation before training, such as `done` of `total` subjects cached."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class FramesSegmented:
    """Frames of a cine have new labels; only reported to those who said where they look.

    `labels`, shape (frame, slice, row, column), is still being filled, nearest frames first. A frame that
    lacks slices is not final: the largest components are found once all of its slices are there.
    """

    frames: tuple[int, ...]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Training is about to start; holds the device, the workload, and the estimated memory and time."""

    folder: Path
    device: str
    precision: str
    samples: int
    updates: int
    memory_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WeightsTransferred:
    """Pretrained weights were loaded: names of tensors loaded, left out on purpose, and missing there."""

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        """Return the number of tensors of each kind."""
        return (
            f"{len(self.loaded)} tensors loaded, {len(self.left_out)} left out, "
            f"{len(self.missing)} not in the pretraining"
        )


@dataclass(frozen=True, slots=True)
class UpdateFinished:
    """The optimiser took a step; remaining time and throughput are None during the first steps."""

    update: int
    updates: int
    loss: float
    seconds_left: float | None
    slices_a_second: float | None = None


@dataclass(frozen=True, slots=True)
class EpochFinished:
    """One pass over the training slices is done; `scores` maps names to measured values."""

    epoch: int
    update: int
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CheckpointWritten:
    """A checkpoint was written to disk."""

    path: Path
    update: int


@dataclass(frozen=True, slots=True)
class ReconstructionReady:
    """A reconstruction by masked image modelling was written to disk."""

    path: Path
    update: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """A warning for the user; the job continues."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The job ended; always its last event."""

    outcome: Outcome
    problems: tuple[Problem, ...] = ()


Event = (
    Preparing
    | FramesSegmented
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
"""Callback that receives the number of finished items and the total."""

OnProblem = Callable[[Problem], None]
"""Callback that receives a `Problem` to show to the user."""


def ignore_events(event: Event) -> None:
    """Ignore an event; the default callback."""
    del event


def ignore_progress(done: int, total: int) -> None:
    """Ignore progress; the default callback."""
    del done, total


def ignore_problem(problem: Problem) -> None:
    """Ignore a problem; the default callback."""
    del problem


class Cancelled(Exception):  # noqa: N818 - an outcome, not an error
    """Raised inside a job after the user asked it to stop."""


class Cancel:
    """Thread-safe flag that asks a job to stop; jobs check it between micro-batches."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Ask the job to stop soon and to save its state."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if a stop was requested.

        Raises
        ------
        Cancelled
            If a stop was requested; the job then ends as `Outcome.STOPPED`.
        """
        if self.requested:
            raise Cancelled
