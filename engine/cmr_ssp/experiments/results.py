"""The cells of an experiment with their scores, read from its small files; weights are not needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem, ScoreError
from cmr_ssp.evaluation import Score, SubjectRole, read_scores
from cmr_ssp.events import Outcome
from cmr_ssp.experiments.arms import SCRATCH, Arm
from cmr_ssp.function.comparing import Comparison, read_comparisons

_PRETRAIN = "pretrain"


@dataclass(frozen=True, slots=True, eq=False)
class CellRecord:
    """The record of one training, as in its ``cell.json``.

    `settings` are ``key=value``, `like` has the ids of the cells that a control is as long as, `seeds` those
    that apply by name (pretraining, subset, training), and `seconds` the duration.
    """

    id: str
    kind: str
    method: str
    preset: str = ""
    settings: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    split: str = ""
    n_labelled: int | None = None
    phases: tuple[Phase, ...] = tuple(Phase)
    vendors: tuple[str, ...] = ()
    augmentation: bool = True
    updates: int = 0
    control: str = ""
    like: tuple[str, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)
    parent: str | None = None
    started: str = ""
    seconds: float = 0.0
    outcome: str = Outcome.FINISHED
    problems: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    test_vendors: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def is_pretraining(self) -> bool:
        """Whether it trained without labels."""
        return self.kind == _PRETRAIN

    @property
    def is_done(self) -> bool:
        """Whether it was computed to its end."""
        return self.outcome == Outcome.FINISHED


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A training on labels with its scores and comparisons of test subjects, and its pretraining if any."""

    cell: CellRecord
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...] = ()
    pretraining: CellRecord | None = None

    @property
    def seeds(self) -> tuple[object, ...]:
        """What makes it a repetition: its seeds, and for a control those of what it is like."""
        return tuple(sorted(self.cell.seeds.items())), self.cell.parent, self.cell.like

    @property
    def minutes(self) -> float:
        """Duration of the training and of its pretraining."""
        return (self.cell.seconds + (self.pretraining.seconds if self.pretraining else 0.0)) / 60


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """What an experiment has found so far.

    Attributes
    ----------
    folder : Path
        Folder of the experiment.
    cells : tuple of CellRecord
        All cells with a record, sorted by id.
    arms : Mapping of Arm to tuple of Trained
        Scored trainings that differ only in seeds, in the order of tables.
    vendors : Mapping of str to str
        Vendor of each test subject of which it is known.
    problems : tuple of Problem
        Cells that could not be read, and what is missing.
    """

    folder: Path
    cells: tuple[CellRecord, ...]
    arms: Mapping[Arm, tuple[Trained, ...]]
    vendors: Mapping[str, str]
    problems: tuple[Problem, ...] = ()


def lengths(trained: Iterable[Trained]) -> str:
    """Return the updates on labels of some trainings as text."""
    return number_range({each.cell.updates for each in trained})


def number_range(numbers: Iterable[int]) -> str:
    """Return numbers as text: ``3``, ``2 to 3``, or ``no`` if there are none."""
    ordered = sorted(numbers)
    if not ordered:
        return "no"
    first, last = ordered[0], ordered[-1]
    return str(first) if first == last else f"{first} to {last}"


def read_results(folder: Path) -> Results:
    """Read all cells of an experiment; damaged and unfinished ones are left out and named as problems.

    Raises
    ------
    ScoreError
        If no cell has scores of test subjects.
    """
    problems: list[Problem] = []
    cells = {cell.id: cell for cell in _cells(folder, problems)}
    trained = [each for cell in cells.values() if (each := _trained(folder, cell, cells, problems))]
    if not trained:
        what = "no cell of it has scores of test subjects"
        problem = Problem(str(folder), what, "Run it first: cmr-ssp experiment run FILE --out FOLDER.")
        raise ScoreError(problem, *problems)
    varying = _varying(trained)
    arms: dict[Arm, list[Trained]] = {}
    for each in trained:
        arm = arms.setdefault(_arm(each, cells, varying[each.cell.method]), [])
        twin = next((other.cell.id for other in arm if other.seeds == each.seeds), None)
        if twin is None:
            arm.append(each)
        else:
            what = f"is the same as {twin}, with the same seeds, and in no table"
            problems.append(Problem.warning(each.cell.id, what, "Nothing needs to be done."))
    ordered = {arm: tuple(arms[arm]) for arm in sorted(arms, key=lambda arm: arm.order)}
    return Results(folder, tuple(cells.values()), ordered, _vendors(trained), tuple(problems))


def _vendors(trained: list[Trained]) -> dict[str, str]:
    """Return the vendor of each test subject, from the cohort or else from the file of its cine."""
    read = {row.subject: row.vendor for each in trained for row in each.comparisons if row.vendor}
    listed = {s: vendor for each in trained for s, vendor in each.cell.test_vendors.items() if vendor}
    return read | listed


def _cells(folder: Path, problems: list[Problem]) -> Iterator[CellRecord]:
    for file in sorted((folder / "cells").glob("*/cell.json")):
        try:
            cell = _cell(file.parent.name, json.loads(file.read_text(encoding="utf-8")))
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"is not the record of a cell ({error.__class__.__name__}: {error})"
            problems.append(Problem.warning(file, what, "Delete its folder and run the experiment again."))
            continue
        if not cell.is_done:
            what = f"the cell is '{cell.outcome}' and in no table"
            problems.append(Problem.warning(cell.id, what, "Run the experiment again to retry it."))
        yield cell


def _cell(name: str, record: Mapping[str, Any]) -> CellRecord:
    """Read a record; phases and vendors that are not named mean all of them."""
    phases = record.get("phases") or list(Phase)
    return CellRecord(
        id=name,
        kind=record["kind"],
        method=record.get("method") or SCRATCH,
        preset=record.get("preset") or "",
        settings=tuple(record.get("settings") or ()),
        data=tuple(record.get("data") or ()),
        split=", ".join(f"{name} {value}" for name, value in sorted(record.get("split", {}).items())),
        n_labelled=record.get("labelled_subjects"),
        phases=tuple(phase for phase in Phase if phase in [Phase(each) for each in phases]),
        vendors=tuple(sorted(record.get("vendors") or ())),
        augmentation=record.get("augmentation", True),
        updates=int(record.get("updates") or 0),
        control=record.get("control") or "",
        like=tuple(record.get("like") or ()),
        seeds={name: int(seed) for name, seed in record.get("seeds", {}).items() if seed is not None},
        parent=record.get("parent"),
        started=record.get("started") or "",
        seconds=float(record.get("seconds") or 0),
        outcome=record.get("outcome") or "",
        problems=tuple(record.get("problems") or ()),
        versions={name: str(value) for name, value in record.get("versions", {}).items()},
        hardware={name: str(value) for name, value in record.get("hardware", {}).items()},
        recipe=record.get("recipe") or {},
        test_vendors=record.get("test_vendors") or {},
    )


def _trained(
    folder: Path, cell: CellRecord, cells: Mapping[str, CellRecord], problems: list[Problem]
) -> Trained | None:
    """Read the scores of a training on labels; None for another cell, or without scores of test subjects."""
    if cell.is_pretraining or not cell.is_done:
        return None
    scores_file = folder / "cells" / cell.id / "scores.csv"
    function_file = scores_file.with_name("function.csv")
    try:
        scores = tuple(s for s in read_scores(scores_file) if s.role is SubjectRole.TEST)
        rows = read_comparisons(function_file) if function_file.exists() else ()
    except ScoreError as error:
        problems += [Problem.warning(each.where, each.what, each.remedy) for each in error.problems]
        return None
    if not any(score.dice is not None for score in scores):
        what = "has no score of a test subject"
        problems.append(Problem.warning(scores_file, what, "Give the experiment labelled test subjects."))
        return None
    tested = tuple(row for row in rows if row.role is SubjectRole.TEST)
    return Trained(cell, scores, tested, cells.get(cell.parent) if cell.parent else None)


def _varying(trained: list[Trained]) -> Mapping[str, set[str]]:
    """Return by method which settings, and presets, not all of its trainings have."""
    found: dict[str, list[set[str]]] = {}
    for each in trained:
        found.setdefault(each.cell.method, []).append(set(_settings(each)))
    return {method: set().union(*sets) - sets[0].intersection(*sets) for method, sets in found.items()}


def _settings(trained: Trained) -> list[str]:
    own, before = trained.cell, trained.pretraining
    texts = [own.preset, *own.settings, "data " + "+".join(own.data), f"split {own.split}"]
    if before is not None:
        texts += [f"pretraining {text}" for text in (before.preset, *before.settings, "+".join(before.data))]
    return texts


def _arm(trained: Trained, cells: Mapping[str, CellRecord], varying: set[str]) -> Arm:
    cell, variant = trained.cell, ", ".join(text for text in _settings(trained) if text in varying)
    compared = [cells[each] for each in cell.like if each in cells and cells[each].method != SCRATCH]
    tuned = next((each for each in compared if not each.is_pretraining), cell)
    like = compared[0].method if compared else ""
    kind = (cell.phases, cell.vendors, cell.augmentation, cell.control, like, cell.split, variant)
    return Arm(cell.method, cell.n_labelled, tuned.updates, *kind)
