"""Training on labels: fine-tuning and from scratch are the same code."""

from cmr_ssp.finetune.loss import SegmentationCriterion
from cmr_ssp.finetune.objective import SegmentationObjective

__all__ = ["SegmentationCriterion", "SegmentationObjective"]
