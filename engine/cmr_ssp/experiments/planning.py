"""The plan of an experiment: what is to be done, and how long, large and hungry it will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path

from cmr_ssp.experiments.cells import Cell, cells_of
from cmr_ssp.experiments.data import ExperimentData, open_data
from cmr_ssp.experiments.file import ExperimentFile
from cmr_ssp.experiments.records import CellFolder, is_done
from cmr_ssp.experiments.running import KeepWeights
from cmr_ssp.experiments.shipped_steps import CPU_STEPS
from cmr_ssp.files import open_stack
from cmr_ssp.recipes import Recipe
from cmr_ssp.subjects import Role

_BANK_BYTES = 2  # a pixel
_SCORING_S = 1.0  # a test subject
_REPEATS = 3  # other programs make some of them slower
_CHECKPOINT_COPIES = 3  # weights, and two moments of the optimiser
_FLOAT = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the data of an experiment.

    Attributes
    ----------
    slices : int
        All slices of all frames for pretraining.
    labelled_slices : float
        Mean number of slices of one labelled volume pair (ED and ES) of the pool.
    pool, test : int
        Numbers of labelled subjects to train on and to test.
    bank_bytes : int
        Size of the slice bank; 0 if unknown.
    """

    slices: int
    labelled_slices: float
    pool: int
    test: int
    bank_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell with its length; seconds, memory and size of its weights are None if unknown."""

    cell: Cell
    done: bool
    updates: int | None
    seconds: float | None
    memory_bytes: int | None
    weights_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an experiment.

    Attributes
    ----------
    cells : tuple of PlannedCell
        In the order in which they run.
    sizes : Sizes or None
        Sizes of the data; None if neither the data nor expected sizes are given.
    """

    cells: tuple[PlannedCell, ...]
    sizes: Sizes | None

    @property
    def to_do(self) -> tuple[PlannedCell, ...]:
        """Cells that are not done."""
        return tuple(each for each in self.cells if not each.done)

    @property
    def seconds(self) -> float | None:
        """Time of all cells to do, one after another; None if that of one is unknown."""
        known = [each.seconds for each in self.to_do if each.seconds is not None]
        return sum(known) if len(known) == len(self.to_do) else None

    @property
    def memory_bytes(self) -> int | None:
        """Memory of the hungriest cell to do, without the slice bank; None if none is known."""
        return max((each.memory_bytes for each in self.to_do if each.memory_bytes), default=None)

    def disk_bytes(self, keep: KeepWeights) -> int:
        """Return the size of slice bank and weights at the end, by which weights are kept."""
        weights = [each.weights_bytes for each in self.cells]
        # A cell at work has two checkpoints; with "none", pretrainings stay until they are used.
        shared = [each.weights_bytes for each in self.cells if each.cell.kind == "pretrain"]
        kept = {"all": 2 * sum(weights), "last": sum(weights), "none": sum(shared)}[keep]
        return kept + 2 * max(weights, default=0) + (self.sizes.bank_bytes if self.sizes else 0)


def plan_experiment(
    experiment: ExperimentFile,
    data: Mapping[str, Path],
    folder: Path | None = None,
    *,
    device: str = "auto",
    measure: bool = False,
) -> Plan:
    """Plan an experiment from headers and measured updates; no pixels are read.

    Parameters
    ----------
    experiment : ExperimentFile
        The experiment.
    data : Mapping of str to Path
        Folder by name of the data; without any, the sizes that the file expects are used.
    folder : Path, optional
        The experiment folder, for what is done and how long it took.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    measure : bool
        Also measure the presets of the paper here, which takes about half a minute on a CPU.

    Raises
    ------
    CmrSspError
        If the data cannot be used.
    """
    sizes = _sizes(experiment, data)
    cells = cells_of(experiment)
    steps = _Steps(device, measure, _known_steps(cells, folder))
    planned: dict[str, PlannedCell] = {}
    for cell in cells:
        planned[cell.id] = _planned(cell, sizes, steps, planned, folder)
    return Plan(tuple(planned.values()), sizes)


def _sizes(experiment: ExperimentFile, data: Mapping[str, Path]) -> Sizes | None:
    if data:
        return _measured_sizes(open_data(experiment.names, experiment.split.stated(), data))
    if (told := experiment.expected) is not None:
        return Sizes(told.slices, told.labelled_slices_per_subject, told.subjects, told.test_subjects)
    return None


def _measured_sizes(data: ExperimentData) -> Sizes:
    """Count slices by the headers."""
    seen = [s for s in data.everyone if data.split.role(s.id) in (Role.TRAIN, Role.VALIDATION)]
    training = [subject for subject in seen if data.split.role(subject.id) is Role.TRAIN]
    shapes = {subject.id: open_stack(subject).grid.shape for subject in seen}
    pool = data.pool.subjects
    labelled = sum(shapes[subject.id][0] * len(subject.phases) for subject in pool)
    n_bytes = sum(len(s.frames) * prod(shapes[s.id]) * _BANK_BYTES for s in seen)
    slices = sum(len(subject.frames) * shapes[subject.id][0] for subject in training)
    return Sizes(slices, labelled / max(1, len(pool)), len(pool), len(data.test), n_bytes)


def _known_steps(cells: Sequence[Cell], folder: Path | None) -> dict[str, float]:
    """Return seconds an update by preset, as measured in finished cells."""
    found: dict[str, list[float]] = {}
    for cell in cells if folder is not None else ():
        assert folder is not None
        record = CellFolder(folder, cell.id).read()
        if is_done(cell, folder) and record.get("seconds") and record.get("updates"):
            found.setdefault(cell.preset, []).append(record["seconds"] / record["updates"])
    return {preset: sum(values) / len(values) for preset, values in found.items()}


@dataclass(frozen=True, slots=True)
class _Steps:
    """Seconds and memory of an update, by preset."""

    device: str
    measure: bool
    known: Mapping[str, float]

    def of(self, cell: Cell) -> tuple[float | None, int | None]:
        seconds, memory = _step(cell.preset, cell.settings, self.device, measure=self.measure)
        return self.known.get(cell.preset, seconds), memory


@cache
def _step(
    preset: str, settings: tuple[str, ...], device_name: str, *, measure: bool
) -> tuple[float | None, int | None]:
    """Measure an update of a recipe with its number of threads, or look it up."""
    import torch

    from cmr_ssp.devices import choose_device
    from cmr_ssp.jobs.context import resolve
    from cmr_ssp.jobs.estimating import estimate_memory, estimate_seconds, micro_batch_size
    from cmr_ssp.recipes import load_recipe

    device = choose_device(device_name)
    if preset in CPU_STEPS and not measure:
        seconds, gib = CPU_STEPS[preset]
        return (seconds if device.type == "cpu" else None), int(gib * 2**30)
    recipe = resolve(load_recipe(preset, settings), device)
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.threads or before)
    try:
        memory = estimate_memory(recipe, device).of(micro_batch_size(recipe))
        return min(estimate_seconds(recipe, device, 1) for _ in range(_REPEATS)), memory
    finally:
        torch.set_num_threads(before)


def _planned(
    cell: Cell,
    sizes: Sizes | None,
    steps: _Steps,
    before: Mapping[str, PlannedCell],
    folder: Path | None,
) -> PlannedCell:
    each_s, memory = steps.of(cell)
    scoring_s = _SCORING_S * (sizes.test if sizes and cell.kind == "finetune" else 0)
    recipe = cell.unseeded_recipe()
    updates = _updates(cell, recipe, sizes)
    if cell.control:
        pretraining, tuned, scratch = (before[name] for name in cell.like)
        lengths = [pretraining.updates, tuned.updates]
        updates = None if None in lengths else sum(length or 0 for length in lengths)
        if cell.control == "minutes" and updates is not None and scratch.updates and each_s:
            step = steps.of(pretraining.cell)[0]
            ratio = 1.0 if step is None else step / each_s
            updates = round((pretraining.updates or 0) * ratio + (tuned.updates or 0))
    seconds = None if updates is None or each_s is None else updates * each_s + scoring_s
    done = folder is not None and is_done(cell, folder)
    return PlannedCell(cell, done, updates, seconds, memory, _weights_bytes(recipe))


def _updates(cell: Cell, recipe: Recipe, sizes: Sizes | None) -> int | None:
    """Return the updates of a cell that is no control; None if they depend on data that is not known."""
    if recipe.updates is not None:
        return recipe.updates
    if sizes is None:
        return None
    slices: float = sizes.slices
    if cell.kind == "finetune":
        subjects = sizes.pool if cell.subjects is None else min(cell.subjects, sizes.pool)
        slices = subjects * sizes.labelled_slices * len(cell.phases) / 2
    return (recipe.epochs or 0) * max(1, int(slices) // recipe.batch_size)


def _weights_bytes(recipe: Recipe) -> int:
    """Return about the size of a checkpoint: the convolutions of the U-Net and the optimiser's moments."""
    channels = recipe.network.channels
    both = pairwise(channels)
    weights = sum(9 * (a * b + b * b) + 4 * a * b + 9 * (2 * a * a + a * a) for a, b in both)
    return weights * _FLOAT * _CHECKPOINT_COPIES
