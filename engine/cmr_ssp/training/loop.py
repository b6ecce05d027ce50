"""The training loop of pretraining and fine-tuning."""

from __future__ import annotations

import math
from contextlib import nullcontext
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
    """Train until the recipe's end or a request to stop; the run then has a checkpoint of the last update.

    Parameters
    ----------
    objective : Objective
        Network, samples and loss.
    recipe : Recipe
        All settings.
    run : Run
        Folder for history and checkpoints.
    provenance : Provenance
        Stored with every checkpoint.
    fabric : Fabric
        Device and precision.
    on_event : callable
        Called with each event.
    cancel : Cancel
        Request to stop.
    resume : bool
        Continue from the run's last checkpoint; the result is bit-identical to uninterrupted training. The
        number of updates planned under an earlier time limit is kept unless there is a new limit.
    limit : TimeLimit, optional
        The number of updates, initially the recipe's, is adjusted during training so that it ends in time,
        including validation and checkpoints. The learning-rate schedule is adjusted with it.

    Returns
    -------
    Outcome
        FINISHED or STOPPED.
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
        self._has_warned = False

    @property
    def _length(self) -> TrainingLength:
        return self._stepper.length

    def run(self, cancel: Cancel, *, resume: bool) -> Outcome:
        if resume:
            self._restore()
        else:
            self._save()  # makes the run resumable
        try:
            self._train(cancel)
        except Cancelled:
            self._save()
            return Outcome.STOPPED
        return Outcome.FINISHED

    def _train(self, cancel: Cancel) -> None:
        tally = self._tally
        self._objective.network.train()
        if self._is_validation_due() and tally.since_save_count:  # it was stopped during validation
            self._objective.before_update(tally.update - 1, self._length)  # restores the state of that update
            self._validate_and_save(cancel)
        self._save_reconstructions()
        self._begin_plan(cancel)
        while tally.update < self._length.updates:
            loss = self._stepper.step(tally.update, cancel)
            if loss is None:
                raise Cancelled
            self._count(float(loss))
            self._pace.update_done()
            self._plan()
            self._save_reconstructions()
            if self._is_validation_due():
                self._validate_and_save(cancel)
                self._pace.validation_done()
            elif self._is_checkpoint_due():
                self._validate_and_save(cancel)
            elif self._length.ends_epoch(tally.update - 1):
                self._write_row({})
            updates = self._length.updates
            left = self._pace.seconds(updates - tally.update, tally.update)
            speed = self._pace.slices_per_second(self._recipe.batch_size)
            self._on_event(UpdateFinished(tally.update, updates, float(loss), left, speed))

    def _begin_plan(self, cancel: Cancel) -> None:
        """Under a time limit, measure the time of a validation and a checkpoint before the first update."""
        self._pace.start()
        if self._limit is None or self._tally.update >= self._length.updates:
            return
        self._stepper.length = self._length.replan(self._tally.update, self._length.updates)
        self._validated(cancel, trial=True)
        self._save()
        self._pace.validation_done()

    def _plan(self) -> None:
        """Under a time limit, adjust the number of updates; rank 0 decides."""
        if self._limit is not None:
            done = self._tally.update
            updates = self._processes.broadcast(self._pace.plan_updates(self._length.updates, done))
            self._stepper.length = self._length.replan(done, updates)

    def _save_reconstructions(self) -> None:
        """Let the objective save reconstructions if they are due; existing ones are overwritten."""
        if not self._processes.first:
            return
        event = self._objective.save_reconstructions(self._run, self._tally.update, self._length)
        self._objective.network.train()
        if event is not None:
            self._on_event(event)

    def _is_checkpoint_due(self) -> bool:
        """Return whether a checkpoint is due after the last update."""
        update = self._tally.update
        return update % self._recipe.checkpoint_every == 0 or update == self._length.updates

    def _is_validation_due(self) -> bool:
        """Return whether validation and comparison with the best network are due after the last update."""
        if self._recipe.validate_at == "epoch":
            return self._length.ends_epoch(self._tally.update - 1)
        return self._is_checkpoint_due()

    def _count(self, loss: float) -> None:
        if not math.isfinite(loss):
            remedy = "Lower optimiser.learning_rate or set optimiser.max_gradient_norm."
            what = f"the loss became {loss} at update {self._tally.update + 1}"
            raise RunError.of(self._run.folder, what, remedy)
        self._tally.count(loss)

    def _validate_and_save(self, cancel: Cancel) -> None:
        """Validate, append to the history, and write checkpoints, as far as each is due."""
        compared = self._is_validation_due()
        validated = self._validated(cancel) if compared else {}
        best = compared and self._tally.is_best(validated, self._objective.quality)
        self._write_row(validated)
        if best:
            self._save(self._run.best)
        if best or self._is_checkpoint_due():
            self._save()

    def _validated(self, cancel: Cancel, *, trial: bool = False) -> dict[str, float]:
        if self._recipe.validate_at == "never":
            return {}
        average = self._stepper.average
        with average.in_place() if average is not None else nullcontext():
            return self._validation.measure(cancel, trial=trial)

    def _write_row(self, validated: dict[str, float]) -> None:
        tally = self._tally
        if (mean_loss := tally.take_mean_loss()) is not None:
            self._scores = {"loss": mean_loss} | self._objective.history_columns() | validated
        epoch = self._length.epoch(tally.update - 1) + 1
        rate = self._stepper.optimiser.param_groups[0]["lr"]
        row = {"epoch": epoch, "update": tally.update} | self._ids | {"learning_rate": rate} | self._scores
        if (speed := self._pace.slices_per_second(self._recipe.batch_size)) is not None:
            row["slices_a_second"] = round(speed, 2)  # not in the scores, since checkpoints store no times
        if self._processes.first:
            self._run.append_history(row)
        self._on_event(EpochFinished(epoch, tally.update, self._scores))
        self._warn()

    def _warn(self) -> None:
        """Report the first warning of the objective."""
        warning = self._objective.warning(self._run)
        if warning is not None and not self._has_warned:
            self._has_warned = True
            self._on_event(Noticed(warning))

    def _save(self, path: Path | None = None) -> None:
        if not self._processes.first:
            return
        path = path or self._run.last
        recipe = self._planned_recipe()
        self._tally.precision = self._stepper.precision_state()
        network, average = self._objective.network.state_dict(), self._stepper.average
        checkpoint = Checkpoint(
            network if average is None else average.state,
            self._stepper.optimiser.state_dict(),
            asdict(self._tally),
            recipe,
            self._provenance,
            self._scores,
            None if average is None else network,
        )
        save_checkpoint(path, checkpoint)
        if recipe != self._recipe:
            self._run.write_recipe(recipe)
        self._on_event(CheckpointWritten(path, self._tally.update))

    def _planned_recipe(self) -> Recipe:
        """Return the recipe with the number of updates planned under a time limit."""
        length, tally = self._length, self._tally
        tally.planned_at, tally.progress_then = length.planned_at, length.progress_then
        if length.progress_then is None:
            return self._recipe
        return self._recipe.model_copy(update={"updates": length.updates, "epochs": None})

    def _restore(self) -> None:
        """Restore the last checkpoint, and remove later updates from the run."""
        checkpoint = load_checkpoint(self._run.last)
        self._objective.network.load_state_dict(checkpoint.trained or checkpoint.network)
        if self._stepper.average is not None:
            self._stepper.average.restore(checkpoint.network)
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
            self._objective.delete_reconstructions(self._run, after=self._tally.update)
            if self._tally.update < self._length.updates:
                run = self._run
                for results in (run.scores, run.best_scores, run.function, run.best_function):
                    results.unlink(missing_ok=True)  # the weights are about to change
        self._processes.wait()  # rank 0 must not replace the checkpoint before all have read it
