"""Supervised training on labels, both fine-tuning and training from scratch."""

from cmr_ssp.finetuning.loss import SegmentationCriterion
from cmr_ssp.finetuning.objective import SegmentationObjective

__all__ = ["SegmentationCriterion", "SegmentationObjective"]
