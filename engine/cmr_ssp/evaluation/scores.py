"""Score tables: one row a subject, phase and structure."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import ScoreError
from cmr_ssp.evaluation.dice import dice
from cmr_ssp.subjects import Segmentation

_COLUMNS = ["subject", "phase", "structure", "dice", "role"]
_UNDRAWN = "n/a"


class SubjectRole(StrEnum):
    """What the scored run knew of a subject; only TEST enters a reported mean.

    EDIT_AGREEMENT is a score against labels that descend from the run itself: it says how much was edited.
    """

    TRAINED_ON = "trained on"
    VALIDATION = "validation"
    SEEN_IN_PRETRAINING = "seen in pretraining"
    POOL = "pool, not used"
    EDIT_AGREEMENT = "edit agreement"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Score:
    """The Dice of one structure at one phase of one subject; None where nobody drew the structure."""

    subject: str
    phase: Phase
    structure: Structure
    dice: float | None
    role: SubjectRole


def score_segmentation(
    prediction: NDArray[np.uint8], reference: Segmentation, subject: str, phase: Phase, role: SubjectRole
) -> list[Score]:
    """Score one predicted frame, shape (slice, row, column), against its reference."""
    return [
        Score(
            subject,
            phase,
            structure,
            dice(prediction, reference.labels, structure) if structure in reference.drawn else None,
            role,
        )
        for structure in Structure
    ]


def mean_dice(
    scores: Iterable[Score],
    structures: Collection[Structure] = tuple(Structure),
    phases: Collection[Phase] = tuple(Phase),
) -> float | None:
    """Return the mean over all volumes and structures that have a reference, None without any."""
    values = [
        score.dice
        for score in scores
        if score.dice is not None and score.structure in structures and score.phase in phases
    ]
    return sum(values) / len(values) if values else None


def scores_csv(scores: Iterable[Score]) -> str:
    """Return the table as CSV; ``n/a`` where the reference lacks the structure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for score in scores:
        value = _UNDRAWN if score.dice is None else f"{score.dice:.4f}"
        writer.writerow([score.subject, score.phase, score.structure.name, value, score.role])
    return text.getvalue()


def read_scores(path: Path) -> tuple[Score, ...]:
    """Read a table that `scores_csv` made; each Dice has its four decimals.

    Raises
    ------
    ScoreError
        Where the file is missing, or a row of it is no score.
    """
    remedy = "Move the file away and score the run again."
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:
        raise ScoreError.of(path, f"is no readable table of scores ({error})", remedy) from None
    if header != _COLUMNS:
        raise ScoreError.of(path, "is no table of scores", remedy)
    try:
        return tuple(_score(*row) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise ScoreError.of(path, f"holds a row that is no score ({error})", remedy) from None


def _score(subject: str, phase: str, structure: str, value: str, role: str) -> Score:
    measured = None if value == _UNDRAWN else float(value)
    if measured is not None and not 0 <= measured <= 1:
        raise ValueError(f"a Dice of {value}")
    return Score(subject, Phase(phase), Structure[structure], measured, SubjectRole(role))
