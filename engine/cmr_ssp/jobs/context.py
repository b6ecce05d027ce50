"""Preparation that pretraining and fine-tuning share: device, processes, slice bank and estimates."""

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
from cmr_ssp.jobs.estimating import (
    estimate_memory,
    estimate_seconds,
    memory_warning,
    micro_batch_size,
    out_of_memory_error,
)
from cmr_ssp.jobs.lifecycle import is_out_of_memory, release_memory
from cmr_ssp.jobs.notices import heart_warning, single_precision_warning
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.process_group import ProcessGroup
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.subjects import Split, Subject
from cmr_ssp.training import (
    SINGLE_PROCESS,
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


def resolve(
    recipe: _R, device: torch.device, group: ProcessGroup | None = None, threads: int | None = None
) -> _R:
    """Replace automatic precision and threads by the values to use, so that a resumed run uses them too.

    `threads` takes precedence over the recipe.
    """
    precision = choose_precision(recipe.precision, device)
    # Processes of one machine share its processors; torchrun has divided them already.
    shared = group.devices if group is not None and not group.started else 1
    threads = threads or recipe.threads or max(1, torch.get_num_threads() // shared)
    return recipe.model_copy(update={"precision": precision, "threads": threads})


@dataclass(slots=True, eq=False)
class TrainingContext:
    """Settings, device, processes and event handlers of one training job."""

    settings: JobSettings
    on_event: OnEvent
    cancel: Cancel
    device: torch.device
    started: float
    group: ProcessGroup
    processes: Processes

    @classmethod
    def of(cls, settings: JobSettings | None, on_event: OnEvent, cancel: Cancel | None) -> TrainingContext:
        """Choose the device and start the clock of `max_minutes`."""
        settings = settings or JobSettings()
        device = choose_device(settings.device)
        group = ProcessGroup.of(settings.devices)
        if group.rank:
            on_event = ignore_events  # only rank 0 reports
        started = time.perf_counter() if settings.started is None else settings.started
        return cls(settings, on_event, cancel or Cancel(), device, started, group, SINGLE_PROCESS)

    def resolve(self, recipe: _R) -> _R:
        """Return the recipe of a new run with automatic precision and threads replaced."""
        return resolve(recipe, self.device, self.group, self.settings.threads)

    def launch(self, recipe: _R) -> tuple[_R, Fabric]:
        """Start the other processes if several devices are requested; all use the recipe of rank 0.

        Raises
        ------
        DeviceError
            If they cannot be started from this program.
        RecipeError
            If the batch cannot be divided among them.
        """
        _require_divisible(recipe, self.group)
        if self.group.world_size > 1 and not (self.group.started or self.settings.from_command_line):
            remedy = "Use `cmr-ssp pretrain` or `cmr-ssp finetune` with --devices."
            what = "several processes can only be started from the command line"
            raise DeviceError.of(f"{self.group.devices} devices", what, remedy)
        fabric = make_fabric(self.device, recipe.precision, self.group, freezes=recipe.freezes)
        fabric.launch()
        self.device, self.processes = fabric.device, Processes(fabric)
        return self.processes.broadcast(recipe), fabric

    def bank(self, subjects: Sequence[Subject]) -> SliceBank:
        """Return the slice bank of the subjects, which rank 0 builds; reports progress and warnings."""

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
            self.on_event(Noticed(heart_warning(subject_id)))
        return bank

    def seed(self, recipe: Recipe) -> None:
        """Set the number of threads and the seed for the initial weights."""
        torch.set_num_threads(recipe.threads or 1)
        torch.manual_seed(recipe.weights_seed)

    def write_description(self, run: Run, recipe: Recipe, split: Split) -> None:
        """Write recipe and split to the run folder."""
        if self.processes.first:
            run.write_description(recipe, split)

    @property
    def time_limit(self) -> TimeLimit | None:
        """Time limit of the job, or None."""
        minutes = self.settings.max_minutes
        return None if minutes is None else TimeLimit(self.started, 60 * minutes)

    def fit_to_time_limit(self, recipe: _R) -> _R:
        """Return the recipe with the estimated number of updates within the time limit, if there is one."""
        if self.time_limit is None:
            return recipe
        try:
            seconds = estimate_seconds(recipe, self.device, 1) / self.group.world_size
        except (MemoryError, RuntimeError) as error:
            self._explain(error, recipe, None)
            raise
        updates = max(1, int(self.time_limit.left() / seconds))
        return self.processes.broadcast(recipe.model_copy(update={"updates": updates, "epochs": None}))

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
        """Report the start of the run with estimates and warnings, and train."""
        length = TrainingLength.of(recipe, len(objective.samples))
        need = None
        try:
            need = estimate_memory(recipe, self.device)
            memory = need.of(micro_batch_size(recipe) // self.group.world_size)
            samples, device, precision = len(objective.samples), str(self.device), recipe.precision
            seconds = (
                estimate_seconds(recipe, self.device, length.updates) / self.group.world_size
                if self.time_limit is None
                else max(self.time_limit.left(), 0.0)
            )
            self.on_event(RunStarted(run.folder, device, precision, samples, length.updates, memory, seconds))
            if (warning := memory_warning(recipe, need, self.device)) is not None:
                self.on_event(Noticed(warning))
            if recipe.precision == "32-true" and lacks_bfloat16(self.device):
                self.on_event(Noticed(single_precision_warning(self.device)))
            return train(
                objective,
                recipe,
                run,
                provenance,
                fabric,
                self.on_event,
                self.cancel,
                resume=resume,
                limit=self.time_limit,
            )
        except (MemoryError, RuntimeError) as error:
            self._explain(error, recipe, need)
            raise

    def _explain(self, error: BaseException, recipe: Recipe, need: MemoryNeed | None) -> None:
        """Raise an error with settings that should fit, if memory ran out."""
        if is_out_of_memory(error):
            release_memory(error)  # before the free memory is measured
            raise out_of_memory_error(recipe, need, self.device) from error

    def data_licences(self, before: Provenance | None) -> tuple[str, ...]:
        """Return the terms of the data of a job, and of the run that it starts from or continues."""
        stated = (*(before.data_licences if before is not None else ()), self.settings.data_licence)
        return tuple(dict.fromkeys(filter(None, stated)))

    def machine(self, precision: str) -> dict[str, str | int]:
        """Describe the hardware for the provenance of the run."""
        return dict(describe_machine(self.device, precision)) | {"processes": self.group.world_size}


def _require_divisible(recipe: Recipe, group: ProcessGroup) -> None:
    parts = {"batch_size": recipe.batch_size, "micro_batch": recipe.micro_batch or group.world_size}
    for name, size in parts.items():
        if size % group.world_size:
            what = f"{size} slices cannot be divided among {group.world_size} processes"
            raise RecipeError.of(name, what, f"Choose a multiple of {group.world_size}, or other --devices.")
