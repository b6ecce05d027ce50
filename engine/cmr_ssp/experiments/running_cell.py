"""Run one cell of an experiment: train, score, keep what is small."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmr_ssp import __version__
from cmr_ssp.anatomy import Phase
from cmr_ssp.atomic import replacing
from cmr_ssp.errors import CmrSspError, RunError
from cmr_ssp.events import (
    Cancel,
    CheckpointWritten,
    Event,
    OnEvent,
    Outcome,
    RunStarted,
    ignore_events,
)
from cmr_ssp.experiments.cells import Cell
from cmr_ssp.experiments.data import ExperimentData, open_data, vendor_of
from cmr_ssp.experiments.records import RUNNING, CellFolder, description
from cmr_ssp.jobs import JobSettings, LabelBudget, evaluate, finetune, pretrain
from cmr_ssp.recipes import PretrainRecipe, SegmentationRecipe
from cmr_ssp.weights import load_checkpoint

_FILES = ("history.csv", "scores.csv", "function.csv")


def run_cell(
    cell: Cell,
    folder: Path,
    data: Mapping[str, Path],
    *,
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> None:
    """Train and score one cell, and write its record; a run that was begun is continued.

    Parameters
    ----------
    cell : Cell
        The cells that it needs are done, and the weights of its parent are there.
    folder : Path
        The experiment folder.
    data : Mapping of str to Path
        Folder by name of the data.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    on_event, cancel
        As for `cmr_ssp.jobs.pretrain`; after a stop the record says so.

    Raises
    ------
    CmrSspError
        If the cell fails, after its record says so.
    """
    work = _Work(cell, CellFolder(folder, cell.id), device, on_event, cancel or Cancel())
    try:
        work.run(data)
    except BaseException as error:
        work.fail(error)
        raise


@dataclass(slots=True, eq=False)
class _Work:
    """One cell at work, with the clock of its training."""

    cell: Cell
    place: CellFolder
    device: str
    on_event: OnEvent
    cancel: Cancel
    record: dict[str, Any] = field(default_factory=dict)
    _since: float | None = None
    _before_s: float = 0.0

    def run(self, data: Mapping[str, Path]) -> None:
        before = self.place.read() if self.place.run.last.exists() else {}
        self._before_s = float(before.get("seconds") or 0)
        self.record = description(self.cell) | {
            "subjects": before.get("subjects", {}),
            "versions": {"cmr_ssp": __version__},
            "hardware": before.get("hardware", {}),
            "started": before.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": self._before_s,
            "outcome": RUNNING,
            "problems": [],
        }
        self.place.write(self.record)
        opened = open_data(self.cell.data, dict(self.cell.split), data)
        outcome = self._train(opened)
        if outcome is Outcome.FINISHED and self.cell.kind == "finetune":
            outcome = self._score(opened)
        self._keep()
        self.record["outcome"] = outcome
        self.place.write(self.record)

    def fail(self, error: BaseException) -> None:
        """Write that the cell failed, without paths, which may name a person."""
        problems = error.problems if isinstance(error, CmrSspError) else ()
        texts = [str(problem.without_paths()) for problem in problems] or [type(error).__name__]
        outcome = Outcome.STOPPED if isinstance(error, KeyboardInterrupt) else Outcome.FAILED
        self.place.write((self.record or description(self.cell)) | {"outcome": outcome, "problems": texts})

    def listen(self, event: Event) -> None:
        """Keep the time of the training as of its last checkpoint, from which a killed run goes on."""
        if isinstance(event, RunStarted):
            self._since = time.perf_counter()
        elif isinstance(event, CheckpointWritten) and self._since is not None:
            self.record["seconds"] = round(self._before_s + time.perf_counter() - self._since, 3)
            self.place.write(self.record)
        self.on_event(event)

    def _train(self, data: ExperimentData) -> Outcome:
        run = self.place.run
        begun = run.last.exists()
        outcome = run.read_state()[0] if begun else None
        if outcome is not Outcome.FINISHED:
            shared: dict[str, Any] = {
                "split": None if begun else data.split,
                "settings": JobSettings(self.device),
                "resume": begun,
                "on_event": self.listen,
                "cancel": self.cancel,
            }
            outcome = (
                self._pretrain(data, shared) if self.cell.kind == "pretrain" else self._finetune(data, shared)
            )
        if run.last.exists():
            self._describe(data)
        return outcome

    def _pretrain(self, data: ExperimentData, shared: dict[str, Any]) -> Outcome:
        recipe = self.cell.recipe()
        assert isinstance(recipe, PretrainRecipe)
        return pretrain(data.everyone, None if shared["resume"] else recipe, self.place.run, **shared)

    def _finetune(self, data: ExperimentData, shared: dict[str, Any]) -> Outcome:
        cell, run = self.cell, self.place.run
        if shared["resume"]:
            return finetune(data.labelled, None, run, **shared)
        recipe = cell.recipe(self._control_updates())
        assert isinstance(recipe, SegmentationRecipe)
        phases = tuple(map(Phase, cell.phases))
        budget = LabelBudget(cell.subjects, None, phases, False, cell.vendors or None, validates=False)
        parent = CellFolder(self.place.experiment, cell.parent).run if cell.parent else None
        return finetune(data.labelled, recipe, run, pretrained=parent, budget=budget, **shared)

    def _control_updates(self) -> int | None:
        """Return the length of a control, by what was measured of the cells that it is like."""
        if not self.cell.control:
            return None
        records = [CellFolder(self.place.experiment, name).read() for name in self.cell.like]
        if any(record.get("outcome") != Outcome.FINISHED for record in records):
            remedy = "Run the experiment again."
            raise RunError.of(self.cell.id, "the cells that it is compared with are not done", remedy)
        pretraining, tuned, scratch = records
        key = "updates" if self.cell.control == "updates" else "seconds"
        total = float(pretraining[key]) + float(tuned[key])
        speed = 1.0 if key == "updates" else scratch["updates"] / max(scratch["seconds"], 1e-9)
        return max(1, round(total * speed))

    def _describe(self, data: ExperimentData) -> None:
        """Add what the checkpoint knows: its subjects, its recipe and the machine."""
        checkpoint = load_checkpoint(self.place.run.last)
        seen = checkpoint.provenance
        test = {subject.id: vendor_of(subject) for subject in data.test}
        self.record |= {
            "subjects": {
                "pretraining": sorted(seen.pretraining),
                "training": sorted(seen.training),
                "validation": sorted(seen.validation),
                "test": sorted(test),
            },
            "test_vendors": test,
            "hardware": {k: v for k, v in seen.machine.items() if k not in ("python", "torch")},
            "updates": int(checkpoint.tally["update"]),
            "recipe": checkpoint.recipe.model_dump(mode="json"),
        }
        versions = {name: str(seen.machine[name]) for name in ("python", "torch") if name in seen.machine}
        self.record["versions"] |= versions

    def _score(self, data: ExperimentData) -> Outcome:
        started = time.perf_counter()
        found = evaluate(
            self.place.run, data.test, device=self.device, on_event=self.on_event, cancel=self.cancel
        )
        self.record["scoring_seconds"] = round(time.perf_counter() - started, 3)
        return found.outcome

    def _keep(self) -> None:
        """Copy the small files of the run beside the record."""
        for name in _FILES:
            source = self.place.run.folder / name
            if source.is_file():
                with replacing(self.place.folder / name) as temporary:
                    shutil.copyfile(source, temporary)
