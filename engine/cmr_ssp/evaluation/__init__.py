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
from cmr_ssp.evaluation.volumes import FrameVolumes, find_ed_es, frame_volumes, volumes_csv

__all__ = [
    "FrameVolumes",
    "Score",
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
