"""What an experiment folder keeps of each cell: a record, scores, volumes and the history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmr_ssp.atomic import write_text
from cmr_ssp.errors import ScoreError
from cmr_ssp.events import Outcome
from cmr_ssp.experiments.cells import Cell
from cmr_ssp.experiments.file import SplitRule
from cmr_ssp.runs import Run

RUNNING = "running"
"""Outcome of a cell at work, or whose process was killed."""


@dataclass(frozen=True, slots=True)
class CellFolder:
    """The places of one cell in an experiment folder.

    Attributes
    ----------
    experiment : Path
        The experiment folder.
    id : str
        Id of the cell.
    """

    experiment: Path
    id: str

    @property
    def folder(self) -> Path:
        """Folder of what is kept."""
        return self.experiment / "cells" / self.id

    @property
    def run(self) -> Run:
        """The run, whose folder may be gone."""
        return Run(self.experiment / "runs" / self.id)

    @property
    def scores(self) -> Path:
        """Scores of the test subjects."""
        return self.folder / "scores.csv"

    @property
    def record(self) -> Path:
        """What the cell is and how it went, as JSON."""
        return self.folder / "cell.json"

    def read(self) -> Mapping[str, Any]:
        """Return the record, empty if there is none.

        Raises
        ------
        ScoreError
            If it is damaged.
        """
        try:
            tree = json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            remedy = "Remove it, and run the experiment again."
            raise ScoreError.of(self.record, f"cannot be read ({error})", remedy) from None
        return tree if isinstance(tree, dict) else {}

    def write(self, record: Mapping[str, Any]) -> None:
        """Write the record."""
        write_text(self.record, json.dumps(record, indent=1) + "\n")


def is_done(cell: Cell, experiment: Path) -> bool:
    """Return whether a cell has its record and, if it was trained on labels, its scores."""
    place = CellFolder(experiment, cell.id)
    finished = place.read().get("outcome") == Outcome.FINISHED
    return finished and (cell.kind == "pretrain" or place.scores.is_file())


def description(cell: Cell) -> dict[str, Any]:
    """Return what defines a cell, as its record has it; null for all subjects or an open length."""
    return {
        "id": cell.id,
        "kind": cell.kind,
        "method": cell.method,
        "preset": cell.preset,
        "settings": list(cell.settings),
        "data": list(cell.data),
        "split": SplitRule.model_validate(dict(cell.split)).model_dump(mode="json"),
        "labelled_subjects": cell.subjects,
        "phases": list(cell.phases),
        "vendors": list(cell.vendors),
        "augmentation": cell.augmentation,
        "updates": cell.updates,
        "seeds": {
            "pretraining": cell.pretraining_seed,
            "subset": cell.subset_seed,
            "training": cell.training_seed,
        },
        "parent": cell.parent,
        "control": cell.control,
        "like": list(cell.like),
    }
