"""Scores of segmentations; numpy only."""

from cmr_ssp.evaluation.dice import dice
from cmr_ssp.evaluation.scores import (
    Score,
    SubjectRole,
    mean_dice,
    read_scores,
    score_segmentation,
    scores_csv,
)

__all__ = [
    "Score",
    "SubjectRole",
    "dice",
    "mean_dice",
    "read_scores",
    "score_segmentation",
    "scores_csv",
]
