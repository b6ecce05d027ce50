"""Validation between updates, within the time limit if there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel, Cancelled
from cmr_ssp.training.pacing import TimeLimit
from cmr_ssp.training.processes import Processes
from cmr_ssp.training.stepper import Objective


@dataclass(slots=True, eq=False)
class Validation:
    """Validates in rank 0, while the other processes wait.

    Attributes
    ----------
    objective : Objective
        Objective whose `validate` is called.
    processes : Processes
        Processes of the training.
    limit : TimeLimit or None
        A validation that exceeds it is stopped, and later ones are omitted.
    notice : callable
        Called with a warning in that case.
    """

    objective: Objective
    processes: Processes
    limit: TimeLimit | None
    notice: Callable[[Problem], None]
    _given_up: bool = False

    def measure(self, cancel: Cancel, *, trial: bool = False) -> dict[str, float]:
        """Return the measurements; with `trial`, use at most a tenth of the time left.

        Raises
        ------
        Cancelled
            If the user requested a stop.
        """
        if self._given_up:
            return {}
        try:
            within = cancel if self.limit is None else self.limit.validation_time(cancel, trial=trial)
            return self._measured(within)
        except Cancelled:
            if self.processes.broadcast_flag(cancel.requested):
                raise
        self._given_up = True
        remedy = "Increase the time limit, or validate on fewer subjects."
        what = (
            "validation takes too long for the time limit, so the training loss selects the best checkpoint"
        )
        self.notice(Problem.warning("validation", what, remedy))
        return {}

    def _measured(self, cancel: Cancel) -> dict[str, float]:
        measured: dict[str, float] = {}
        stopped = False
        if self.processes.first:
            try:
                measured = self.objective.validate(cancel)
            except Cancelled:
                stopped = True
        self.objective.network.train()
        self.processes.wait()
        if self.processes.broadcast_flag(stopped):
            raise Cancelled
        return measured
