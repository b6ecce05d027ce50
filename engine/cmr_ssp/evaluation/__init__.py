"""Scores of segmentations against references; needs NumPy only."""

from cmr_ssp.evaluation.dice import dice
from cmr_ssp.evaluation.scores import (
    DIGEST_DIGITS,
    SCORE_COLUMNS,
    SCORES_BEGIN,
    ResultMetadata,
    Score,
    SubjectRole,
    mean_dice,
    read_scores,
    score_segmentation,
    scores_csv,
)

__all__ = [
    "DIGEST_DIGITS",
    "SCORES_BEGIN",
    "SCORE_COLUMNS",
    "ResultMetadata",
    "Score",
    "SubjectRole",
    "dice",
    "mean_dice",
    "read_scores",
    "score_segmentation",
    "scores_csv",
]
