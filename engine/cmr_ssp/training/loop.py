"""The only epoch loop: every stage trains through it."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from cmr_ssp.errors import Problem, RunError
from cmr_ssp.events import (
    Cancel,
    Cancelled,
    CheckpointWritten,
    EpochFinished,
    Noticed,
    OnEvent,
    Outcome,
    ReconstructionReady,
    UpdateFinished,
)
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import Checkpoint, Provenance, Run, load_checkpoint, save_checkpoint
from cmr_ssp.runs.records import forget_records
from cmr_ssp.training.order import TrainingLength
from cmr_ssp.training.stepper import Objective, Stepper

_TIMED = 5
"""Updates after which something can be said of the time."""


@dataclass(slots=True)
class _Tally:
    """What the loop remembers between updates; stored with a checkpoint, so that resuming is exact."""

    update: int = 0
    loss_sum: float = 0.0  # since the last row of the history
    loss_count: int = 0
    since_save_sum: float = 0.0  # since the network was compared with the best one
    since_save_count: int = 0
    best: float | None = None
    precision: dict[str, Any] = field(default_factory=dict)  # the scale of gradients in half precision


def train(
    objective: Objective,
    recipe: Recipe,
    run: Run,
    provenance: Provenance,
    fabric: Fabric,
    on_event: OnEvent,
    cancel: Cancel,
    *,
    resume: bool = False,
) -> Outcome:
    """Train until the recipe's end or a request to stop; either way the run holds the last state.

    Parameters
    ----------
    objective : Objective
        What is trained on what.
    recipe : Recipe
        All settings.
    run : Run
        Where history and checkpoints go.
    provenance : Provenance
        Stored with every checkpoint.
    fabric : Fabric
        Device and precision.
    on_event, cancel
        The job's voice and ear.
    resume : bool
        Continue from the run's last checkpoint, bit for bit as if never interrupted.

    Returns
    -------
    Outcome
        Finished or stopped.
    """
    return _Loop(objective, recipe, run, provenance, fabric, on_event).run(cancel, resume=resume)


class _Loop:
    def __init__(
        self,
        objective: Objective,
        recipe: Recipe,
        run: Run,
        provenance: Provenance,
        fabric: Fabric,
        on_event: OnEvent,
    ) -> None:
        self._objective, self._recipe, self._run = objective, recipe, run
        self._provenance, self._on_event = provenance, on_event
        self._length = TrainingLength.of(recipe, len(objective.samples))
        self._stepper = Stepper(objective, recipe, self._length, fabric)
        self._processes = self._stepper.processes
        self._tally = _Tally()
        self._scores: dict[str, float] = {}
        self._durations: deque[float] = deque(maxlen=50)
        self._warned = False

    def run(self, cancel: Cancel, *, resume: bool) -> Outcome:
        if resume:
            self._restore()
        else:
            self._save()  # from here on the run can be resumed
        try:
            self._train(cancel)
        except Cancelled:
            self._save()
            return Outcome.STOPPED
        return Outcome.FINISHED

    def _train(self, cancel: Cancel) -> None:
        tally, length = self._tally, self._length
        self._objective.network.train()
        if self._is_compared() and tally.since_save_count:  # it was stopped during the validation
            self._objective.before_update(tally.update - 1, length)  # as it was left
            self._conclude(cancel)
        self._record()
        while tally.update < length.updates:
            started = time.perf_counter()
            loss = self._stepper.step(tally.update, cancel)
            if loss is None:
                raise Cancelled
            self._count(float(loss))
            self._record()
            if self._is_saved() or self._is_compared():
                self._conclude(cancel)
            elif length.ends_epoch(tally.update - 1):
                self._write_row({})
            self._durations.append(time.perf_counter() - started)
            left, speed = self._seconds_left(), self._slices_a_second()
            self._on_event(UpdateFinished(tally.update, length.updates, float(loss), left, speed))

    def _record(self) -> None:
        """Keep a reconstruction where one is due; one that is there already is made again, all the same."""
        if not self._processes.first:
            return
        path = self._objective.record(self._run, self._tally.update, self._length)
        self._objective.network.train()
        if path is not None:
            self._on_event(ReconstructionReady(path, self._tally.update))

    def _is_saved(self) -> bool:
        """Whether a checkpoint follows the last update."""
        update = self._tally.update
        return update % self._recipe.checkpoint_every == 0 or update == self._length.updates

    def _is_compared(self) -> bool:
        """Whether the network is validated and compared with the best one after the last update."""
        if self._recipe.validate_at == "epoch":
            return self._length.ends_epoch(self._tally.update - 1)
        return self._is_saved()

    def _count(self, loss: float) -> None:
        tally = self._tally
        if not math.isfinite(loss):
            remedy = "Lower optimiser.learning_rate or set optimiser.max_gradient_norm."
            what = f"the loss became {loss} at update {tally.update + 1}"
            raise RunError.of(self._run.folder, what, remedy)
        tally.update += 1
        tally.loss_sum += loss
        tally.loss_count += 1
        tally.since_save_sum += loss
        tally.since_save_count += 1

    def _conclude(self, cancel: Cancel) -> None:
        """Validate, record, and write the checkpoints, as far as they are due."""
        compared = self._is_compared()
        validates = compared and self._recipe.validate_at != "never"
        validated = self._validated(cancel) if validates else {}
        self._objective.network.train()
        best = compared and self._is_best(validated)
        self._write_row(validated)
        if best:
            self._save(self._run.best)
        if best or self._is_saved():
            self._save()

    def _is_best(self, validated: Mapping[str, float]) -> bool:
        """Compare with the best network so far; where nothing was validated, the loss decides."""
        tally = self._tally
        mean_loss = tally.since_save_sum / tally.since_save_count
        tally.since_save_sum, tally.since_save_count = 0.0, 0
        score = next(iter(validated.values()), self._objective.rank(mean_loss))
        if tally.best is not None and score <= tally.best:
            return False
        tally.best = score
        return True

    def _validated(self, cancel: Cancel) -> dict[str, float]:
        """Measure in the first process, while the others wait."""
        validated: dict[str, float] = {}
        stopped = False
        if self._processes.first:
            try:
                validated = self._objective.validate(cancel)
            except Cancelled:
                stopped = True
        if self._processes.agree(stopped):
            raise Cancelled
        return validated

    def _write_row(self, validated: dict[str, float]) -> None:
        tally = self._tally
        if tally.loss_count:
            mean = {"loss": tally.loss_sum / tally.loss_count}
            self._scores = mean | self._objective.observed() | validated
        tally.loss_sum, tally.loss_count = 0.0, 0
        epoch = self._length.epoch(tally.update - 1) + 1
        row: dict[str, float] = {"epoch": epoch, "update": tally.update}
        row |= {"learning_rate": self._stepper.optimiser.param_groups[0]["lr"]} | self._scores
        if (speed := self._slices_a_second()) is not None:
            row["slices_a_second"] = round(speed, 2)  # not among the scores: a checkpoint holds no time
        if self._processes.first:
            self._run.append_history(row)
        self._on_event(EpochFinished(epoch, tally.update, self._scores))
        self._warn()

    def _warn(self) -> None:
        """Say once what the objective is concerned about."""
        concern = self._objective.concern()
        if concern is not None and not self._warned:
            self._warned = True
            remedy = "Stop and start anew with another learning rate or temperature, or go on and compare."
            self._on_event(Noticed(Problem(str(self._run.folder), concern, remedy)))

    def _save(self, path: Path | None = None) -> None:
        if not self._processes.first:
            return
        path = path or self._run.last
        self._tally.precision = self._stepper.precision_state()
        checkpoint = Checkpoint(
            self._objective.network.state_dict(),
            self._stepper.optimiser.state_dict(),
            asdict(self._tally),
            self._recipe,
            self._provenance,
            self._scores,
        )
        save_checkpoint(path, checkpoint)
        self._on_event(CheckpointWritten(path, self._tally.update))

    def _restore(self) -> None:
        """Take up the last checkpoint, and drop what the history says of later updates."""
        checkpoint = load_checkpoint(self._run.last)
        self._objective.network.load_state_dict(checkpoint.network)
        self._stepper.optimiser.load_state_dict(dict(checkpoint.optimiser))
        self._tally = _Tally(**checkpoint.tally)
        self._stepper.restore_precision(self._tally.precision)
        self._scores = dict(checkpoint.scores)
        if self._processes.first:
            rows = [row for row in self._run.read_history() if int(row["update"]) <= self._tally.update]
            self._run.write_history(rows)
            forget_records(self._run, after=self._tally.update)
            if self._tally.update < self._length.updates:
                self._run.scores.unlink(missing_ok=True)  # of weights that are about to change
        self._processes.wait()  # nobody may read a checkpoint that the first has already replaced

    def _slices_a_second(self) -> float | None:
        if len(self._durations) < _TIMED:
            return None
        return self._recipe.batch_size / statistics.median(self._durations)

    def _seconds_left(self) -> float | None:
        if len(self._durations) < _TIMED:
            return None
        return statistics.median(self._durations) * (self._length.updates - self._tally.update)
