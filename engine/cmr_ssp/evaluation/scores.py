"""Score tables with one row per subject, phase and structure."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import ScoreError
from cmr_ssp.evaluation.dice import dice
from cmr_ssp.evaluation.surface import surface_distance
from cmr_ssp.subjects import Segmentation

_FIRST_COLUMNS = ["subject", "phase", "structure", "dice", "role"]
DISTANCE_COLUMNS = ["hd95_mm", "assd_mm"]
SPACING_COLUMNS = ["spacing_slice_mm", "spacing_row_mm", "spacing_column_mm"]
SCORES_BEGIN = ",".join(_FIRST_COLUMNS)
"""First characters of every table of scores, including those of earlier versions."""
_METADATA_COLUMNS = (*SPACING_COLUMNS, "cine", "run", "checkpoint")
SCORE_COLUMNS = (*_FIRST_COLUMNS, *DISTANCE_COLUMNS, *_METADATA_COLUMNS)
_HEADERS = ([*SCORE_COLUMNS], [*_FIRST_COLUMNS, *_METADATA_COLUMNS], _FIRST_COLUMNS)
"""Of this version and of earlier ones."""
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
    """Dice of one structure at one phase of one subject; None if the reference lacks the structure.

    `hd95_mm` and `assd_mm` are the distances of `surface_distance`; also None if the segmentation lacks the
    structure, the spacing is unknown, or an earlier version made the score.
    """

    subject: str
    phase: Phase
    structure: Structure
    dice: float | None
    role: SubjectRole
    metadata: ResultMetadata = NO_METADATA
    hd95_mm: float | None = None
    assd_mm: float | None = None


def score_segmentation(
    prediction: NDArray[np.uint8],
    reference: Segmentation,
    subject: str,
    phase: Phase,
    role: SubjectRole,
    metadata: ResultMetadata = NO_METADATA,
) -> list[Score]:
    """Score one predicted frame, shape (slice, row, column), against its reference.

    Distances need the spacing in `metadata`.
    """
    return [_scored(prediction, reference, Score(subject, phase, s, None, role, metadata)) for s in Structure]


def _scored(prediction: NDArray[np.uint8], reference: Segmentation, empty: Score) -> Score:
    """Fill in the values of a score, if the reference has its structure."""
    structure, spacing_mm = empty.structure, empty.metadata.spacing_mm
    if structure not in reference.drawn:
        return empty
    scored = replace(empty, dice=dice(prediction, reference.labels, structure))
    if spacing_mm is None:
        return scored
    distance = surface_distance(prediction, reference.labels, structure, spacing_mm)
    if distance is None:
        return scored
    return replace(scored, hd95_mm=distance.hd95_mm, assd_mm=distance.assd_mm)


def mean_dice(
    scores: Iterable[Score],
    structures: Collection[Structure] = tuple(Structure),
    phases: Collection[Phase] = tuple(Phase),
) -> float | None:
    """Average the Dice over all scores that have a reference; None if there are none."""
    return _mean(score.dice for score in scores if score.structure in structures and score.phase in phases)


def mean_hd95_mm(
    scores: Iterable[Score], structures: Collection[Structure] = tuple(Structure)
) -> float | None:
    """Average HD95 over all scores that have one, in mm; None if there are none."""
    return _mean(score.hd95_mm for score in scores if score.structure in structures)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def scores_csv(scores: Iterable[Score]) -> str:
    """Format scores as CSV: ``n/a`` for Dice, and nothing for distances, that are None."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    for score in scores:
        value = _UNDRAWN if score.dice is None else f"{score.dice:.4f}"
        metadata = score.metadata
        row = [score.subject, score.phase, score.structure.name, value, score.role]
        row += ["" if mm is None else f"{mm:.3f}" for mm in (score.hd95_mm, score.assd_mm)]
        writer.writerow(
            [*row, *spacing_cells(metadata.spacing_mm), metadata.cine, metadata.run, metadata.checkpoint]
        )
    return text.getvalue()


def spacing_cells(spacing_mm: tuple[float, float, float] | None) -> list[str]:
    """Format a spacing as three cells, empty if it is unknown."""
    return ["", "", ""] if spacing_mm is None else [f"{spacing:.6g}" for spacing in spacing_mm]


def read_scores(path: Path) -> tuple[Score, ...]:
    """Read a table written by `scores_csv`; Dice has four decimals, distances three, spacing six digits.

    Tables of earlier versions, without distances or with the role as last column, are read as well.

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
    if header not in _HEADERS:
        raise ScoreError.of(path, "is not a table of scores", remedy)
    try:
        if {len(row) for row in rows} - {len(header)}:
            raise ValueError("the number of cells differs from the header")
        return tuple(_score(**dict(zip(header, row, strict=True))) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise ScoreError.of(path, f"contains an invalid row ({error})", remedy) from None


def _score(subject: str, phase: str, structure: str, dice: str, role: str, **further: str) -> Score:
    measured = None if dice == _UNDRAWN else float(dice)
    if measured is not None and not 0 <= measured <= 1:
        raise ValueError(f"a Dice of {dice}")
    hd95_mm, assd_mm = (_distance(further.pop(column, "")) for column in DISTANCE_COLUMNS)
    metadata = _metadata(**further)
    of = (subject, Phase(phase), Structure[structure], measured, SubjectRole(role), metadata)
    return Score(*of, hd95_mm=hd95_mm, assd_mm=assd_mm)


def _distance(cell: str) -> float | None:
    if not cell:
        return None
    if not 0 <= float(cell) < float("inf"):
        raise ValueError(f"a distance of {cell}")
    return float(cell)


def _metadata(cine: str = "", run: str = "", checkpoint: str = "", **spacing: str) -> ResultMetadata:
    slices, rows, columns = (spacing.get(column, "") for column in SPACING_COLUMNS)
    spacing_mm = (float(slices), float(rows), float(columns)) if slices else None
    return ResultMetadata(spacing_mm, cine, run, checkpoint)
