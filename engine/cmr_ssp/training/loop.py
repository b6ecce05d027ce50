"""The only epoch loop: every stage trains through it."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric import Fabric

from cmr_ssp.errors import RunError
from cmr_ssp.events import (
    Cancel,
    Cancelled,
    CheckpointWritten,
    EpochFinished,
    Noticed,
    OnEvent,
    Outcome,
    UpdateFinished,
)
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import Provenance, Run, data_id, run_id
from cmr_ssp.training.freed_memory import keeping_freed_memory
from cmr_ssp.training.order import TrainingLength
from cmr_ssp.training.pacing import Pace, TimeLimit
from cmr_ssp.training.stepper import Objective, Stepper
from cmr_ssp.training.tally import Tally
from cmr_ssp.training.validation import Validation
from cmr_ssp.weights import Checkpoint, load_checkpoint, save_checkpoint


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
    limit: TimeLimit | None = None,
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
        Continue from the run's last checkpoint, bit for bit as if never interrupted. What a time limit had
        planned by then holds, unless there is a new one.
    limit : TimeLimit, optional
        The number of updates, of which the recipe's is a first guess, is planned again and again so that the
        training ends in time, validations and checkpoints included. The schedule follows.

    Returns
    -------
    Outcome
        Finished or stopped.
    """
    loop = _Loop(objective, recipe, run, provenance, fabric, on_event, limit)
    with keeping_freed_memory():
        return loop.run(cancel, resume=resume)


class _Loop:
    def __init__(
        self,
        objective: Objective,
        recipe: Recipe,
        run: Run,
        provenance: Provenance,
        fabric: Fabric,
        on_event: OnEvent,
        limit: TimeLimit | None,
    ) -> None:
        self._objective, self._recipe, self._run = objective, recipe, run
        self._provenance, self._on_event = provenance, on_event
        length = TrainingLength.of(recipe, len(objective.samples))
        self._stepper = Stepper(objective, recipe, length, fabric)
        self._processes = self._stepper.processes
        self._tally = Tally()
        self._scores: dict[str, float] = {}
        self._ids = {"run": run_id(recipe, provenance), "data": data_id(provenance)}
        by_epochs = recipe.validate_at == "epoch"
        every = length.updates_per_epoch if by_epochs else recipe.checkpoint_every
        self._limit, self._pace = limit, Pace(limit, every)
        self._validation = Validation(
            objective, self._processes, limit, lambda problem: on_event(Noticed(problem))
        )
        self._warned = False

    @property
    def _length(self) -> TrainingLength:
        return self._stepper.length

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
        tally = self._tally
        self._objective.network.train()
        if self._is_compared() and tally.since_save_count:  # it was stopped during the validation
            self._objective.before_update(tally.update - 1, self._length)  # as it was left
            self._conclude(cancel)
        self._record()
        self._begin_plan(cancel)
        while tally.update < self._length.updates:
            loss = self._stepper.step(tally.update, cancel)
            if loss is None:
                raise Cancelled
            self._count(float(loss))
            self._pace.update_done()
            self._plan()
            self._record()
            if self._is_compared():
                self._conclude(cancel)
                self._pace.validation_done()
            elif self._is_saved():
                self._conclude(cancel)
            elif self._length.ends_epoch(tally.update - 1):
                self._write_row({})
            updates = self._length.updates
            left = self._pace.seconds(updates - tally.update, tally.update)
            speed = self._pace.slices_a_second(self._recipe.batch_size)
            self._on_event(UpdateFinished(tally.update, updates, float(loss), left, speed))

    def _begin_plan(self, cancel: Cancel) -> None:
        """Time a validation and a checkpoint, so that a time limit can count them before the first."""
        self._pace.start()
        if self._limit is None or self._tally.update >= self._length.updates:
            return
        self._stepper.length = self._length.planned(self._tally.update, self._length.updates)
        self._validated(cancel, trial=True)
        self._save()
        self._pace.validation_done()

    def _plan(self) -> None:
        """Plan the number of updates anew, where there is a time limit; the first process decides."""
        if self._limit is not None:
            done = self._tally.update
            updates = self._processes.from_first(self._pace.planned(self._length.updates, done))
            self._stepper.length = self._length.planned(done, updates)

    def _record(self) -> None:
        """Have the objective keep what is due; what is there already is made again, all the same."""
        if not self._processes.first:
            return
        event = self._objective.record(self._run, self._tally.update, self._length)
        self._objective.network.train()
        if event is not None:
            self._on_event(event)

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
        if not math.isfinite(loss):
            remedy = "Lower optimiser.learning_rate or set optimiser.max_gradient_norm."
            what = f"the loss became {loss} at update {self._tally.update + 1}"
            raise RunError.of(self._run.folder, what, remedy)
        self._tally.count(loss)

    def _conclude(self, cancel: Cancel) -> None:
        """Validate, record, and write the checkpoints, as far as they are due."""
        compared = self._is_compared()
        validated = self._validated(cancel) if compared else {}
        best = compared and self._tally.is_best(validated, self._objective.rank)
        self._write_row(validated)
        if best:
            self._save(self._run.best)
        if best or self._is_saved():
            self._save()

    def _validated(self, cancel: Cancel, *, trial: bool = False) -> dict[str, float]:
        if self._recipe.validate_at == "never":
            return {}
        return self._validation.measure(cancel, trial=trial)

    def _write_row(self, validated: dict[str, float]) -> None:
        tally = self._tally
        if (mean_loss := tally.take_mean_loss()) is not None:
            self._scores = {"loss": mean_loss} | self._objective.observed() | validated
        epoch = self._length.epoch(tally.update - 1) + 1
        rate = self._stepper.optimiser.param_groups[0]["lr"]
        row = {"epoch": epoch, "update": tally.update} | self._ids | {"learning_rate": rate} | self._scores
        if (speed := self._pace.slices_a_second(self._recipe.batch_size)) is not None:
            row["slices_a_second"] = round(speed, 2)  # not among the scores: a checkpoint holds no time
        if self._processes.first:
            self._run.append_history(row)
        self._on_event(EpochFinished(epoch, tally.update, self._scores))
        self._warn()

    def _warn(self) -> None:
        """Say once what the objective is concerned about."""
        concern = self._objective.concern(self._run)
        if concern is not None and not self._warned:
            self._warned = True
            self._on_event(Noticed(concern))

    def _save(self, path: Path | None = None) -> None:
        if not self._processes.first:
            return
        path = path or self._run.last
        recipe = self._planned_recipe()
        self._tally.precision = self._stepper.precision_state()
        checkpoint = Checkpoint(
            self._objective.network.state_dict(),
            self._stepper.optimiser.state_dict(),
            asdict(self._tally),
            recipe,
            self._provenance,
            self._scores,
        )
        save_checkpoint(path, checkpoint)
        if recipe != self._recipe:
            self._run.write_recipe(recipe)
        self._on_event(CheckpointWritten(path, self._tally.update))

    def _planned_recipe(self) -> Recipe:
        """Return the recipe with the updates that a time limit leaves now."""
        length, tally = self._length, self._tally
        tally.planned_at, tally.progress_then = length.planned_at, length.progress_then
        if length.progress_then is None:
            return self._recipe
        return self._recipe.model_copy(update={"updates": length.updates, "epochs": None})

    def _restore(self) -> None:
        """Take up the last checkpoint, and drop what the history says of later updates."""
        checkpoint = load_checkpoint(self._run.last)
        self._objective.network.load_state_dict(checkpoint.network)
        self._stepper.optimiser.load_state_dict(dict(checkpoint.optimiser))
        tally = self._tally = Tally(**checkpoint.tally)
        self._stepper.length = replace(
            self._length, planned_at=tally.planned_at, progress_then=tally.progress_then
        )
        self._stepper.restore_precision(self._tally.precision)
        self._scores = dict(checkpoint.scores)
        if self._processes.first:
            rows = [row for row in self._run.read_history() if int(row["update"]) <= self._tally.update]
            self._run.write_history(rows)
            self._objective.forget(self._run, after=self._tally.update)
            if self._tally.update < self._length.updates:
                self._run.scores.unlink(missing_ok=True)  # of weights that are about to change
        self._processes.wait()  # nobody may read a checkpoint that the first has already replaced
