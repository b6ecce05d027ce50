"""Scores of segmentations against references; needs NumPy and SciPy only."""

from cmr_ssp.evaluation.dice import dice
from cmr_ssp.evaluation.scores import (
    DIGEST_DIGITS,
    SCORE_COLUMNS,
    SCORES_BEGIN,
    ResultMetadata,
    Score,
    SubjectRole,
    mean_dice,
    mean_hd95_mm,
    read_scores,
    score_segmentation,
    scores_csv,
)
from cmr_ssp.evaluation.surface import SurfaceDistance, surface_distance

__all__ = [
    "DIGEST_DIGITS",
    "SCORES_BEGIN",
    "SCORE_COLUMNS",
    "ResultMetadata",
    "Score",
    "SubjectRole",
    "SurfaceDistance",
    "dice",
    "mean_dice",
    "mean_hd95_mm",
    "read_scores",
    "score_segmentation",
    "scores_csv",
    "surface_distance",
]
