"""Measuring on validation subjects between updates, within a time limit where there is one."""

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
    """Measures in the first process, while the others wait.

    Attributes
    ----------
    objective : Objective
        What is trained.
    processes : Processes
        Those that train together.
    limit : TimeLimit or None
        A validation that does not end in time is given up, and so are all after it.
    notice : callable
        Is told then.
    """

    objective: Objective
    processes: Processes
    limit: TimeLimit | None
    notice: Callable[[Problem], None]
    _given_up: bool = False

    def measure(self, cancel: Cancel, *, trial: bool = False) -> dict[str, float]:
        """Return what was measured; with `trial`, within a tenth of the time that a limit leaves.

        Raises
        ------
        Cancelled
            Where somebody asked to stop.
        """
        if self._given_up:
            return {}
        try:
            within = cancel if self.limit is None else self.limit.validation_time(cancel, trial=trial)
            return self._measured(within)
        except Cancelled:
            if self.processes.agree(cancel.requested):
                raise
        self._given_up = True
        remedy = "Allow more minutes, or validate on fewer subjects."
        what = (
            "validation takes too long for the time limit, so the training loss chooses the best checkpoint"
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
        if self.processes.agree(stopped):
            raise Cancelled
        return measured
