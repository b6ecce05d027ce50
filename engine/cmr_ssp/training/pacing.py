"""Measure the speed of a training, and plan its number of updates under a time limit."""

from __future__ import annotations

import statistics
import time
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from cmr_ssp.events import Cancel

_MOST = 10**9  # updates
_SHORTEST = 1e-6  # seconds per update
_WINDOW = 20  # updates over which the speed is measured: few enough to follow a machine that slows down
_SETTLING = 3  # first updates to ignore: memory and kernels are being set up
_TOLERANCE = 0.01  # of the limit; a plan is kept if it ends this close to the limit
_RESERVE = 0.02  # of the limit, for the work after the last update and for noise
_OVERRUN = 0.05  # of the limit; a validation that exceeds the limit by this is stopped
_TRIAL = 0.1  # of the time left; a longer validation leaves too little time for training


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """Wall-clock time limit of a training.

    Attributes
    ----------
    started : float
        Value of `time.perf_counter` at the start.
    seconds : float
        Duration.
    """

    started: float
    seconds: float

    def left(self, overrun: float = 0.0) -> float:
        """Return the seconds left until the limit, extended by the share `overrun`; negative afterwards."""
        return self.started + self.seconds * (1 + overrun) - time.perf_counter()

    def validation_time(self, cancel: Cancel, *, trial: bool) -> Deadline:
        """Return the deadline of a validation; `trial` is the one measured before the first update."""
        return Deadline(cancel, _TRIAL * max(self.left(), 0.0) if trial else self.left(_OVERRUN))


class Deadline(Cancel):
    """Request to stop that is also triggered after `seconds` seconds."""

    def __init__(self, cancel: Cancel, seconds: float) -> None:
        super().__init__()
        self._cancel, self._ends = cancel, time.perf_counter() + seconds

    @property
    def requested(self) -> bool:
        """Whether the user requested a stop, or the time is over."""
        return self._cancel.requested or time.perf_counter() >= self._ends


class Pace:
    """Measures updates and validations, and plans the number of updates within a time limit.

    Parameters
    ----------
    limit : TimeLimit or None
        None if the number of updates is fixed.
    every : int
        Number of updates between two validations.
    """

    def __init__(self, limit: TimeLimit | None, every: int) -> None:
        self._limit, self._every = limit, every
        self._updates: deque[float] = deque(maxlen=_WINDOW)
        self._n_updates = 0
        self._validation = 0.0
        self._mark = time.perf_counter()

    def _lap(self) -> float:
        before, self._mark = self._mark, time.perf_counter()
        return self._mark - before

    def start(self) -> None:
        """Start measuring; ignore the time before."""
        self._lap()

    def update_done(self) -> None:
        """Count the time since the last measurement as one update."""
        self._updates.append(self._lap())
        self._n_updates += 1
        if self._n_updates == _SETTLING + 1:
            self._updates = deque([self._updates[-1]], maxlen=_WINDOW)

    def validation_done(self) -> None:
        """Count the time since the last measurement as one validation with checkpoints."""
        self._validation = self._lap()

    @property
    def _settled(self) -> bool:
        return self._n_updates > _SETTLING

    def seconds(self, n_updates: int, update: int) -> float | None:
        """Estimate the time of `n_updates` updates after `update`, with validations; None at first."""
        return self._estimated_seconds(n_updates, update) if self._settled else None

    def slices_per_second(self, batch_size: int) -> float | None:
        """Return the speed of the last updates; None at first."""
        if not self._settled:
            return None
        return batch_size / max(statistics.median(self._updates), _SHORTEST)

    def _estimated_seconds(self, n_updates: int, update: int) -> float:
        if not n_updates:
            return 0.0
        per_update = max(statistics.fmean(self._updates), _SHORTEST)  # the mean includes slow ones
        n_validations = (update + n_updates - 1) // self._every - update // self._every + 1
        return n_updates * per_update + n_validations * self._validation

    def plan_updates(self, updates: int, update: int) -> int:
        """Return the total number of updates that fits into the time limit.

        A plan that is accurate enough is kept, so that number and schedule do not change constantly.

        Parameters
        ----------
        updates : int
            Planned so far.
        update : int
            Completed so far.
        """
        if self._limit is None or not self._updates:
            return updates
        left = self._limit.left() - _RESERVE * self._limit.seconds
        tolerance = _TOLERANCE * self._limit.seconds
        if self._settled and abs(left - self._estimated_seconds(updates - update, update)) < tolerance:
            return updates
        more = bisect_right(range(1, _MOST), left, key=lambda n: self._estimated_seconds(n, update))
        if not self._settled and more > 2 * _SETTLING:
            return max(updates, update + 2 * _SETTLING)  # the first updates are not representative
        return update + more
