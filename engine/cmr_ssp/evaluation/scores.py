"""Score tables with one row per subject, phase and structure."""

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

_FIRST_COLUMNS = ["subject", "phase", "structure", "dice", "role"]
SPACING_COLUMNS = ["spacing_slice_mm", "spacing_row_mm", "spacing_column_mm"]
SCORES_BEGIN = ",".join(_FIRST_COLUMNS)
"""First characters of every table of scores, including those of earlier versions."""
SCORE_COLUMNS = (*_FIRST_COLUMNS, *SPACING_COLUMNS, "cine", "run", "checkpoint")
DIGEST_DIGITS = 16
"""Length of the digests in tables, in hexadecimal digits."""
_UNDRAWN = "n/a"


class SubjectRole(StrEnum):
    """How the scored run used a subject; reported means include only TEST.

    EDIT_AGREEMENT marks a score against labels that were corrected from the run's own prediction: it measures
    how much was edited.
    """

    TRAINED_ON = "trained on"
    VALIDATION = "validation"
    SEEN_IN_PRETRAINING = "seen in pretraining"
    POOL = "pool, not used"
    EDIT_AGREEMENT = "edit agreement"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class ResultMetadata:
    """Metadata of a score or volume: identifiers of cine, run and checkpoint, by which tables can be joined.

    Attributes
    ----------
    spacing_mm : tuple of float or None
        Distance between slices, rows and columns of the grid on which the value was computed.
    cine : str
        First digits of the SHA-256 of the cine's pixels.
    run, checkpoint : str
        First digits of `cmr_ssp.runs.run_id` and of the SHA-256 of the checkpoint.
    """

    spacing_mm: tuple[float, float, float] | None = None
    cine: str = ""
    run: str = ""
    checkpoint: str = ""

    @classmethod
    def of(
        cls, spacing_mm: tuple[float, float, float], cine: str = "", run: str = "", checkpoint: str = ""
    ) -> ResultMetadata:
        """Shorten full digests and round the spacing as in tables."""
        slices, rows, columns = (float(f"{spacing:.6g}") for spacing in spacing_mm)
        digests = (digest[:DIGEST_DIGITS] for digest in (cine, run, checkpoint))
        return cls((slices, rows, columns), *digests)


NO_METADATA = ResultMetadata()


@dataclass(frozen=True, slots=True)
class Score:
    """Dice of one structure at one phase of one subject; None if the reference lacks the structure."""

    subject: str
    phase: Phase
    structure: Structure
    dice: float | None
    role: SubjectRole
    metadata: ResultMetadata = NO_METADATA


def score_segmentation(
    prediction: NDArray[np.uint8],
    reference: Segmentation,
    subject: str,
    phase: Phase,
    role: SubjectRole,
    metadata: ResultMetadata = NO_METADATA,
) -> list[Score]:
    """Score one predicted frame, shape (slice, row, column), against its reference."""
    return [
        Score(
            subject,
            phase,
            structure,
            dice(prediction, reference.labels, structure) if structure in reference.drawn else None,
            role,
            metadata,
        )
        for structure in Structure
    ]


def mean_dice(
    scores: Iterable[Score],
    structures: Collection[Structure] = tuple(Structure),
    phases: Collection[Phase] = tuple(Phase),
) -> float | None:
    """Average the Dice over all scores that have a reference; None if there are none."""
    values = [
        score.dice
        for score in scores
        if score.dice is not None and score.structure in structures and score.phase in phases
    ]
    return sum(values) / len(values) if values else None


def scores_csv(scores: Iterable[Score]) -> str:
    """Format scores as CSV; ``n/a`` if the reference does not label the structure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    for score in scores:
        value = _UNDRAWN if score.dice is None else f"{score.dice:.4f}"
        metadata = score.metadata
        row = [score.subject, score.phase, score.structure.name, value, score.role]
        writer.writerow(
            [*row, *spacing_cells(metadata.spacing_mm), metadata.cine, metadata.run, metadata.checkpoint]
        )
    return text.getvalue()


def spacing_cells(spacing_mm: tuple[float, float, float] | None) -> list[str]:
    """Format a spacing as three cells, empty if it is unknown."""
    return ["", "", ""] if spacing_mm is None else [f"{spacing:.6g}" for spacing in spacing_mm]


def read_scores(path: Path) -> tuple[Score, ...]:
    """Read a table written by `scores_csv`; Dice has four decimals and spacing six digits.

    Tables of earlier versions, whose last column is the role, are read as well.

    Raises
    ------
    ScoreError
        If the file is missing or a row is invalid.
    """
    remedy = "Move the file away and score the run again."
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:
        raise ScoreError.of(path, f"cannot be read as a table of scores ({error})", remedy) from None
    if header not in ([*SCORE_COLUMNS], _FIRST_COLUMNS):
        raise ScoreError.of(path, "is not a table of scores", remedy)
    try:
        if {len(row) for row in rows} - {len(header)}:
            raise ValueError("the number of cells differs from the header")
        return tuple(_score(*row) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise ScoreError.of(path, f"contains an invalid row ({error})", remedy) from None


def _score(subject: str, phase: str, structure: str, value: str, role: str, *metadata: str) -> Score:
    measured = None if value == _UNDRAWN else float(value)
    if measured is not None and not 0 <= measured <= 1:
        raise ValueError(f"a Dice of {value}")
    return Score(
        subject, Phase(phase), Structure[structure], measured, SubjectRole(role), _metadata(*metadata)
    )


def _metadata(
    slices: str = "", rows: str = "", columns: str = "", cine: str = "", run: str = "", checkpoint: str = ""
) -> ResultMetadata:
    spacing_mm = (float(slices), float(rows), float(columns)) if slices else None
    return ResultMetadata(spacing_mm, cine, run, checkpoint)
