"""How fast a training goes, and how many updates a time limit leaves it."""

from __future__ import annotations

import statistics
import time
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from cmr_ssp.events import Cancel

_MOST = 10**9  # updates
_SHORTEST = 1e-6  # seconds of an update
_WINDOW = 20  # updates that the rate is measured over: few enough to follow a machine that slows down
_SETTLING = 3  # first updates, while memory and kernels settle
_TOLERANCE = 0.01  # of the limit; a plan that ends as close as this to it is left alone
_RESERVE = 0.02  # of the limit, for what follows the last update and for noise
_OVERRUN = 0.05  # of the limit; a validation that takes longer than foreseen is cut then
_TRIAL = 0.1  # of the time left; a validation that takes longer leaves too little for training


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """The wall-clock time that a training has.

    Attributes
    ----------
    started : float
        Reading of `time.perf_counter` from which it counts.
    seconds : float
        How long it is.
    """

    started: float
    seconds: float

    def left(self, overrun: float = 0.0) -> float:
        """Return the seconds that are left, with a share `overrun` on top; negative once it is over."""
        return self.started + self.seconds * (1 + overrun) - time.perf_counter()

    def validation_time(self, cancel: Cancel, *, trial: bool) -> Deadline:
        """Return the request to stop of a validation: of a planned one, or of the one that is timed first."""
        return Deadline(cancel, _TRIAL * max(self.left(), 0.0) if trial else self.left(_OVERRUN))


class Deadline(Cancel):
    """A request to stop that also comes from the clock, `seconds` from now."""

    def __init__(self, cancel: Cancel, seconds: float) -> None:
        super().__init__()
        self._cancel, self._ends = cancel, time.perf_counter() + seconds

    @property
    def requested(self) -> bool:
        """Whether somebody asked, or the time is over."""
        return self._cancel.requested or time.perf_counter() >= self._ends


class Pace:
    """Measures updates and what lies between them, and plans the updates that fit into a time limit.

    Parameters
    ----------
    limit : TimeLimit or None
        None where the number of updates is fixed.
    every : int
        Updates between two validations.
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
        """Leave out what happened until now."""
        self._lap()

    def update_done(self) -> None:
        """Count everything since the last call of any method here as one update."""
        self._updates.append(self._lap())
        self._n_updates += 1
        if self._n_updates == _SETTLING + 1:
            self._updates = deque([self._updates[-1]], maxlen=_WINDOW)

    def validation_done(self) -> None:
        """Count everything since the last call as one validation with its checkpoints."""
        self._validation = self._lap()

    @property
    def _settled(self) -> bool:
        return self._n_updates > _SETTLING

    def seconds(self, n_updates: int, update: int) -> float | None:
        """Return how long so many updates after an `update` take, validations included; None at first."""
        return self._foreseen(n_updates, update) if self._settled else None

    def slices_a_second(self, batch_size: int) -> float | None:
        """Return how many slices the last updates looked at in a second; None at first."""
        if not self._settled:
            return None
        return batch_size / max(statistics.median(self._updates), _SHORTEST)

    def _foreseen(self, n_updates: int, update: int) -> float:
        if not n_updates:
            return 0.0
        per_update = max(statistics.fmean(self._updates), _SHORTEST)  # the mean, since slow ones count too
        n_validations = (update + n_updates - 1) // self._every - update // self._every + 1
        return n_updates * per_update + n_validations * self._validation

    def planned(self, updates: int, update: int) -> int:
        """Return the number of updates in all that the limit leaves after `update` of them.

        Close enough a plan stays as it is, so that neither the number nor the schedule flickers.

        Parameters
        ----------
        updates : int
            As planned before.
        update : int
            Done so far.
        """
        if self._limit is None or not self._updates:
            return updates
        left = self._limit.left() - _RESERVE * self._limit.seconds
        tolerance = _TOLERANCE * self._limit.seconds
        if self._settled and abs(left - self._foreseen(updates - update, update)) < tolerance:
            return updates
        more = bisect_right(range(1, _MOST), left, key=lambda n: self._foreseen(n, update))
        if not self._settled and more > 2 * _SETTLING:
            return max(updates, update + 2 * _SETTLING)  # the first updates tell little
        return update + more
