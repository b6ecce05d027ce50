"""Scores of segmentations; numpy only."""

from cmr_ssp.evaluation.dice import dice
from cmr_ssp.evaluation.scores import (
    DIGEST_DIGITS,
    SCORE_COLUMNS,
    SCORES_BEGIN,
    Score,
    Scored,
    SubjectRole,
    mean_dice,
    read_scores,
    score_segmentation,
    scores_csv,
)
from cmr_ssp.evaluation.volumes import VOLUMES_BEGIN, FrameVolumes, find_ed_es, frame_volumes, volumes_csv

__all__ = [
    "DIGEST_DIGITS",
    "SCORES_BEGIN",
    "SCORE_COLUMNS",
    "VOLUMES_BEGIN",
    "FrameVolumes",
    "Score",
    "Scored",
    "SubjectRole",
    "dice",
    "find_ed_es",
    "frame_volumes",
    "mean_dice",
    "read_scores",
    "score_segmentation",
    "scores_csv",
    "volumes_csv",
]
