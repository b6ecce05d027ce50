"""Training on labels: fine-tuning and from scratch are the same code."""

from cmr_ssp.finetuning.loss import SegmentationCriterion
from cmr_ssp.finetuning.objective import SegmentationObjective

__all__ = ["SegmentationCriterion", "SegmentationObjective"]
