"""What pretraining and fine-tuning do alike before the first update."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from cmr_ssp.devices import (
    choose_device,
    choose_precision,
    describe_machine,
    lacks_bfloat16,
    make_fabric,
)
from cmr_ssp.errors import DeviceError, Problem, RecipeError
from cmr_ssp.events import Cancel, Noticed, OnEvent, Outcome, Preparing, RunStarted, ignore_events
from cmr_ssp.jobs.estimating import at_once, estimate_memory, estimate_seconds, may_not_fit, out_of_memory
from cmr_ssp.jobs.lifecycle import is_exhausted, release_memory
from cmr_ssp.jobs.notices import single_precision, unsure_of_heart
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.subjects import Split, Subject
from cmr_ssp.team import Team
from cmr_ssp.training import (
    ALONE,
    MemoryNeed,
    Objective,
    Processes,
    TimeLimit,
    TrainingLength,
    train,
)

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_R = TypeVar("_R", bound=Recipe)


def resolved(recipe: _R, device: torch.device, team: Team | None = None, threads: int | None = None) -> _R:
    """Write down the precision and the number of threads that will be used, so that resuming repeats them.

    A number of threads that is asked for goes before the recipe's.
    """
    precision = choose_precision(recipe.precision, device)
    # Processes of one machine share its processors; torchrun has seen to that already.
    shared = team.devices if team is not None and not team.started else 1
    threads = threads or recipe.threads or max(1, torch.get_num_threads() // shared)
    return recipe.model_copy(update={"precision": precision, "threads": threads})


@dataclass(slots=True, eq=False)
class Workplace:
    """Device, voice and ear of one training job."""

    settings: JobSettings
    on_event: OnEvent
    cancel: Cancel
    device: torch.device
    started: float
    team: Team
    processes: Processes

    @classmethod
    def of(cls, settings: JobSettings | None, on_event: OnEvent, cancel: Cancel | None) -> Workplace:
        """Choose the device; the clock of `max_minutes` starts here."""
        settings = settings or JobSettings()
        device = choose_device(settings.device)
        team = Team.of(settings.devices)
        if team.number:
            on_event = ignore_events  # the first one speaks for all
        started = time.perf_counter() if settings.started is None else settings.started
        return cls(settings, on_event, cancel or Cancel(), device, started, team, ALONE)

    def resolved(self, recipe: _R) -> _R:
        """Return a new run's recipe with the precision and the number of threads that will be used."""
        return resolved(recipe, self.device, self.team, self.settings.threads)

    def launched(self, recipe: _R) -> tuple[_R, Fabric]:
        """Start the other processes, where several devices are asked for; all have the first one's recipe.

        Raises
        ------
        DeviceError
            Where they cannot be started from here.
        RecipeError
            Where the batch cannot be divided among them.
        """
        _require_divisible(recipe, self.team)
        if self.team.count > 1 and not (self.team.started or self.settings.from_command_line):
            remedy = "Use `cmr-ssp pretrain` or `cmr-ssp finetune` with --devices."
            what = "several processes can be started from the command line alone"
            raise DeviceError.of(f"{self.team.devices} devices", what, remedy)
        fabric = make_fabric(self.device, recipe.precision, self.team, freezes=recipe.freezes)
        fabric.launch()
        self.device, self.processes = fabric.device, Processes(fabric)
        return self.processes.from_first(recipe), fabric

    def bank(self, subjects: Sequence[Subject]) -> SliceBank:
        """Return the slice bank of these subjects, with progress; the others open what the first built."""

        def report(done: int, total: int) -> None:
            self.on_event(Preparing("subjects in the slice bank", done, total))

        def notice(problem: Problem) -> None:
            self.on_event(Noticed(problem))

        if not self.processes.first:
            self.processes.wait()
        bank = slice_bank(subjects, self.settings.bank_folder, report, self.cancel, notice)
        if self.processes.first:
            self.processes.wait()
        for subject_id in bank.unsure_of_heart:
            self.on_event(Noticed(unsure_of_heart(subject_id)))
        return bank

    def seed(self, recipe: Recipe) -> None:
        """Set threads and the seed that initialises the network."""
        torch.set_num_threads(recipe.threads or 1)
        torch.manual_seed(recipe.weights_seed)

    def describe(self, run: Run, recipe: Recipe, split: Split) -> None:
        """Write down what is about to be run."""
        if self.processes.first:
            run.write_description(recipe, split)

    @property
    def limit(self) -> TimeLimit | None:
        """The time that the job has, None where it has no limit."""
        minutes = self.settings.max_minutes
        return None if minutes is None else TimeLimit(self.started, 60 * minutes)

    def guessed(self, recipe: _R) -> _R:
        """Return the recipe with about as many updates as fit into the time limit, where there is one."""
        if self.limit is None:
            return recipe
        try:
            seconds = estimate_seconds(recipe, self.device, 1) / self.team.count
        except (MemoryError, RuntimeError) as error:
            self._explain(error, recipe, None)
            raise
        updates = max(1, int(self.limit.left() / seconds))
        return self.processes.from_first(recipe.model_copy(update={"updates": updates, "epochs": None}))

    def train(
        self,
        objective: Objective,
        recipe: Recipe,
        run: Run,
        provenance: Provenance,
        fabric: Fabric,
        *,
        resume: bool,
    ) -> Outcome:
        """Announce the run and train."""
        length = TrainingLength.of(recipe, len(objective.samples))
        need = None
        try:
            need = estimate_memory(recipe, self.device)
            memory, samples = need.of(at_once(recipe) // self.team.count), len(objective.samples)
            device, precision = str(self.device), recipe.precision
            seconds = (
                estimate_seconds(recipe, self.device, length.updates) / self.team.count
                if self.limit is None
                else max(self.limit.left(), 0.0)
            )
            self.on_event(RunStarted(run.folder, device, precision, samples, length.updates, memory, seconds))
            if (warning := may_not_fit(recipe, need, self.device)) is not None:
                self.on_event(Noticed(warning))
            if recipe.precision == "32-true" and lacks_bfloat16(self.device):
                self.on_event(Noticed(single_precision(self.device)))
            return train(
                objective,
                recipe,
                run,
                provenance,
                fabric,
                self.on_event,
                self.cancel,
                resume=resume,
                limit=self.limit,
            )
        except (MemoryError, RuntimeError) as error:
            self._explain(error, recipe, need)
            raise

    def _explain(self, error: BaseException, recipe: Recipe, need: MemoryNeed | None) -> None:
        """Raise what a recipe should be changed to, where memory ran out."""
        if is_exhausted(error):
            release_memory(error)  # before it is asked how much is free
            raise out_of_memory(recipe, need, self.device) from error

    def machine(self, precision: str) -> dict[str, str | int]:
        """Describe the hardware for the run's record."""
        return dict(describe_machine(self.device, precision)) | {"processes": self.team.count}


def _require_divisible(recipe: Recipe, team: Team) -> None:
    parts = {"batch_size": recipe.batch_size, "micro_batch": recipe.micro_batch or team.count}
    for name, size in parts.items():
        if size % team.count:
            what = f"{size} slices cannot be divided among {team.count} processes"
            raise RecipeError.of(name, what, f"Choose a multiple of {team.count}, or other --devices.")
