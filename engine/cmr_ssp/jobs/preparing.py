"""What pretraining and fine-tuning do alike before the first update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psutil
import torch

from cmr_ssp.devices import (
    choose_device,
    choose_precision,
    describe_machine,
    lacks_bfloat16,
    make_fabric,
)
from cmr_ssp.errors import CohortError, DeviceError, Problem, RecipeError
from cmr_ssp.events import Cancel, Noticed, OnEvent, Outcome, Preparing, RunStarted, ignore_events
from cmr_ssp.jobs.estimating import at_once, estimate_memory, estimate_seconds, may_not_fit, out_of_memory
from cmr_ssp.jobs.lifecycle import guarded, is_exhausted, release_memory
from cmr_ssp.jobs.notices import single_precision, unsure_of_heart
from cmr_ssp.recipes import DinoRecipe, Recipe, SegmentationRecipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import DEFAULT_TEST_FRACTION, draw_split
from cmr_ssp.team import Team, process_number
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


@dataclass(frozen=True, slots=True)
class Settings:
    """How a training job is carried out, apart from its recipe.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    max_minutes : float or None
        End in this time, everything included: the number of updates is planned while training, again and
        again.
    bank_folder : Path or None
        Where slice banks are kept; the user's cache folder unless given.
    devices : int or None
        Processes that train together on each machine; as many as torchrun or SLURM started, or one, unless
        given.
    from_command_line : bool
        Whether the command line of this process may be run again for the other devices. Only `cmr-ssp`
        says so: anywhere else, as in napari, this would start the whole program again.
    started : float or None
        Reading of `time.perf_counter` from which `max_minutes` counts; from the job's start unless given.
    """

    device: str = "auto"
    max_minutes: float | None = None
    bank_folder: Path | None = None
    devices: int | None = None
    from_command_line: bool = False
    started: float | None = None

    def __post_init__(self) -> None:
        """Refuse a time limit that never comes.

        Raises
        ------
        RecipeError
            Where `max_minutes` is no finite number above 0.
        """
        if self.max_minutes is not None and not 0 < self.max_minutes < math.inf:
            what = f"{self.max_minutes} minutes are no time limit"
            raise RecipeError.of("--max-minutes", what, "Give a number above 0, or leave it out.")


def split_for(cohort: Cohort, *candidates: Split | None) -> Split:
    """Return the first split that knows the cohort, or draw one: a quarter of the labelled subjects test.

    Raises
    ------
    CohortError
        Where the first candidate, which somebody asked for, names none of the subjects.
    """
    ids = {subject.id for subject in cohort.subjects}
    for candidate in candidates:
        if candidate is not None and ids & set(candidate.roles):
            return candidate
    if candidates and candidates[0] is not None:
        remedy = "Give a split of this cohort, or none."
        raise CohortError.of(cohort.root, "the split names none of its subjects", remedy)
    return draw_split(cohort.subjects, test=DEFAULT_TEST_FRACTION)


def with_role(cohort: Cohort, split: Split, *roles: Role) -> tuple[Subject, ...]:
    """Return the cohort's subjects that have one of the roles."""
    return tuple(subject for subject in cohort.subjects if split.role(subject.id) in roles)


def require(subjects: Sequence[Subject], cohort: Cohort, what: str, remedy: str) -> None:
    """Refuse to go on without subjects."""
    if not subjects:
        raise CohortError(Problem(str(cohort.root), what, remedy))


def resolved(recipe: _R, device: torch.device, team: Team | None = None) -> _R:
    """Write down the precision and the number of threads that will be used, so that resuming repeats them."""
    precision = choose_precision(recipe.precision, device)
    # Processes of one machine share its processors; torchrun has seen to that already.
    shared = team.devices if team is not None and not team.started else 1
    threads = recipe.threads or max(1, torch.get_num_threads() // shared)
    return recipe.model_copy(update={"precision": precision, "threads": threads})


@dataclass(slots=True, eq=False)
class Workplace:
    """Device, voice and ear of one training job."""

    settings: Settings
    on_event: OnEvent
    cancel: Cancel
    device: torch.device
    started: float
    team: Team
    processes: Processes

    @classmethod
    def of(cls, settings: Settings | None, on_event: OnEvent, cancel: Cancel | None) -> Workplace:
        """Choose the device; the clock of `max_minutes` starts here."""
        settings = settings or Settings()
        device = choose_device(settings.device)
        team = Team.of(settings.devices)
        if team.number:
            on_event = ignore_events  # the first one speaks for all
        started = time.perf_counter() if settings.started is None else settings.started
        return cls(settings, on_event, cancel or Cancel(), device, started, team, ALONE)

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
        fabric = make_fabric(self.device, recipe.precision, self.team, freezes=_freezes(recipe))
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


def training_job(
    body: Callable[[Workplace], Outcome],
    run: Run,
    settings: Settings | None,
    on_event: OnEvent,
    cancel: Cancel | None,
    *,
    resume: bool,
) -> Outcome:
    """Train, guarded; of several processes the first alone works in the run's folder and reports.

    Raises
    ------
    CmrSspError
        What went wrong, after it was reported.
    """

    def prepare_and_train() -> Outcome:
        work = Workplace.of(settings, on_event, cancel)
        try:
            outcome = body(work)
            work.processes.wait()  # a process that ends early would look like one that failed
        except BaseException as error:
            if work.team.count > 1 and not work.team.started:
                _end_partners()
            if work.team.count > 1 and _is_lost(error):
                what = "lost another process, which ended, was stopped or cannot be reached"
                remedy = "See what that one said; then continue with --resume."
                raise DeviceError.of(f"process {work.team.number}", what, remedy) from error
            raise
        return outcome

    if process_number():
        return guarded(prepare_and_train, ignore_events)
    return guarded(prepare_and_train, on_event, run, resume=resume)


def _end_partners() -> None:
    """End the processes that this one started: one that was stopped would stay for ever."""
    for partner in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            partner.kill()


_OF_LOST = ("gloo", "nccl", "connection closed", "connection reset", "timed out", "pair closure")


def _is_lost(error: BaseException) -> bool:
    """Tell whether a process could not reach another; the libraries have no error of their own for it."""
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _OF_LOST)


def _require_divisible(recipe: Recipe, team: Team) -> None:
    parts = {"batch_size": recipe.batch_size, "micro_batch": recipe.micro_batch or team.count}
    for name, size in parts.items():
        if size % team.count:
            what = f"{size} slices cannot be divided among {team.count} processes"
            raise RecipeError.of(name, what, f"Choose a multiple of {team.count}, or other --devices.")


def _freezes(recipe: Recipe) -> bool:
    """Tell whether a part of the network is frozen for a while."""
    if isinstance(recipe, DinoRecipe):
        return recipe.freeze_last_layer > 0
    return isinstance(recipe, SegmentationRecipe) and recipe.freeze_encoder > 0
