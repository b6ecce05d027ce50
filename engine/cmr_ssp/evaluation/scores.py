"""Score tables: one row a subject, phase and structure."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation.dice import dice
from cmr_ssp.subjects import Segmentation


class SubjectRole(StrEnum):
    """What the scored run knew of a subject; only TEST enters a reported mean."""

    TRAINED_ON = "trained on"
    VALIDATION = "validation"
    SEEN_IN_PRETRAINING = "seen in pretraining"
    POOL = "pool, not used"
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
    writer.writerow(["subject", "phase", "structure", "dice", "role"])
    for score in scores:
        value = "n/a" if score.dice is None else f"{score.dice:.4f}"
        writer.writerow([score.subject, score.phase, score.structure.name, value, score.role])
    return text.getvalue()
