"""Cells: the single trainings of an experiment, and the graph in which they share pretrainings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal

from cmr_ssp.experiments.arms import SCRATCH
from cmr_ssp.experiments.file import ExperimentFile, Grid
from cmr_ssp.experiments.recipes import WITHOUT_AUGMENTATION, checked_recipe, preset_of
from cmr_ssp.recipes import Recipe

_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training of an experiment.

    Attributes
    ----------
    kind : {"pretrain", "finetune"}
        Without or with labels; training from scratch is a ``finetune`` without parent.
    method, preset : str
        ``scratch`` or the pretraining method, and the name of the preset.
    settings : tuple of str
        ``key=value`` changes of the preset.
    data, split : tuple
        Names of the data (those with labels first), and the rule of the split, both part of its identity.
    subjects : int or None
        Number of labelled subjects, None for all of the pool.
    phases, vendors : tuple of str
        Labels to train on; no vendor means all.
    augmentation : bool
        Whether slices are augmented.
    updates : int or None
        None for the length of the preset, or of a control.
    pretraining_seed, subset_seed, training_seed : int or None
        None where it does not apply.
    parent : str or None
        Id of the pretraining.
    control : {"", "updates", "minutes"}
        What a control has in common with `like`.
    like : tuple of str
        Ids of the pretraining and the training on labels that a control is as long as together, and of a
        training from scratch that shows its speed.
    """

    kind: Literal["pretrain", "finetune"]
    method: str
    preset: str
    settings: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    split: tuple[tuple[str, Any], ...] = ()
    subjects: int | None = None
    phases: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    augmentation: bool = True
    updates: int | None = None
    pretraining_seed: int | None = None
    subset_seed: int | None = None
    training_seed: int | None = None
    parent: str | None = None
    control: Literal["", "updates", "minutes"] = ""
    like: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        """Readable name with a digest of everything that defines the cell."""
        defined = {name: value for name, value in asdict(self).items() if value not in (None, (), "")}
        digest = hashlib.sha256(json.dumps(defined, sort_keys=True).encode()).hexdigest()[:_DIGITS]
        return f"{self._slug}-{digest}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the cells that come first."""
        return (*((self.parent,) if self.parent else ()), *self.like)

    @property
    def _slug(self) -> str:
        if self.kind == "pretrain":
            parts = ["pretrain", self.method, f"s{self.pretraining_seed}"]
        else:
            parts = [self.method, f"n{self.subjects or 'all'}"]
            parts += ["+".join(self.phases)] * (len(self.phases) == 1) + ["+".join(self.vendors)]
            parts += ["plain"] * (not self.augmentation) + [f"u{self.updates}"] * bool(self.updates)
            if self.control:
                parts.append(f"as-many-{self.control}-as-{self.like[1].partition('-')[0]}")
            parts.append(f"s{self.training_seed}")
        return "-".join(filter(None, (re.sub(r"[^a-z0-9]+", "-", part.lower()) for part in parts)))

    def recipe(self, updates: int | None = None) -> Recipe:
        """Return the recipe; `updates` is the length of a control.

        Raises
        ------
        RecipeError
            If the preset is missing or a setting is invalid.
        """
        seed = self.pretraining_seed if self.kind == "pretrain" else self.training_seed
        seeds = [f"seed={seed}"]
        if self.subset_seed is not None:
            seeds.append(f"seeds.subset={self.subset_seed}")
        return self._recipe(seeds, updates)

    def unseeded_recipe(self) -> Recipe:
        """Return the recipe without its seeds, for a plan; many cells share it."""
        return self._recipe((), None)

    def _recipe(self, seeds: Sequence[str], updates: int | None) -> Recipe:
        settings = [*self.settings, *seeds]
        if not self.augmentation:
            settings += WITHOUT_AUGMENTATION
        length = updates or self.updates
        return checked_recipe(self.preset, [*settings, f"updates={length}"] if length else settings)


def cells_of(experiment: ExperimentFile) -> tuple[Cell, ...]:
    """Return every cell once; a cell comes after those that it needs, pretrainings first."""
    found: dict[str, Cell] = {}
    for grid in experiment.grids:
        for cell in _grid_cells(grid, experiment):
            found.setdefault(cell.id, cell)
    order = {"pretrain": 0, "finetune": 1}
    return tuple(sorted(found.values(), key=lambda cell: (order[cell.kind], bool(cell.control))))


def _grid_cells(grid: Grid, experiment: ExperimentFile) -> Iterator[Cell]:
    """Yield the cells of a grid, pretrainings and controls included."""
    split = tuple(sorted(experiment.split.stated().items()))
    for method in grid.methods:
        parents: list[Cell | None] = [None]
        if method != SCRATCH:
            parents = [
                Cell(
                    kind="pretrain",
                    method=method,
                    preset=preset_of(method, grid.preset, labels=False),
                    settings=tuple(sorted(grid.pretraining_settings)),
                    data=(experiment.labelled, *sorted(experiment.unlabelled)),
                    split=split,
                    pretraining_seed=seed,
                )
                for seed in grid.seeds.pretraining
            ]
        yield from filter(None, parents)
        for parent in parents:
            for values in product(grid.subjects, grid.phases, grid.vendors, grid.augmentation, grid.updates):
                yield from _trainings(method, grid, experiment, parent, values)


def _trainings(
    method: str, grid: Grid, experiment: ExperimentFile, parent: Cell | None, values: tuple[Any, ...]
) -> Iterator[Cell]:
    """Yield the trainings on labels with one choice of values, for all seeds, and their controls."""
    subjects, phases, vendors, augmentation, updates = values
    shared: dict[str, Any] = {
        "kind": "finetune",
        "settings": tuple(sorted(grid.settings)),
        "data": (experiment.labelled,),
        "split": tuple(sorted(experiment.split.stated().items())),
        "subjects": None if subjects == "all" else subjects,
        "phases": tuple(sorted(map(str, phases))),
        "vendors": tuple(sorted(vendors)),
        "augmentation": augmentation,
    }
    for training, subset in grid.seeds.pairs():
        seeded = shared | {"training_seed": training, "subset_seed": subset}
        scratch = seeded | {"method": SCRATCH, "preset": preset_of(SCRATCH, grid.preset, labels=True)}
        plain = Cell(**scratch, updates=updates)
        if parent is None:
            yield plain
            continue
        tuned = Cell(
            **seeded,
            method=method,
            preset=preset_of(method, grid.preset, labels=True),
            updates=updates,
            parent=parent.id,
            pretraining_seed=parent.pretraining_seed,
        )
        yield tuned
        if grid.controls:
            yield plain
        for control in grid.controls:
            yield Cell(**scratch, control=control, like=(parent.id, tuned.id, plain.id))
