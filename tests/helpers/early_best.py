"""A run whose best checkpoint is not its last."""

from __future__ import annotations

from pathlib import Path

import pytest
from cmr_ssp import jobs
from cmr_ssp.finetuning import SegmentationObjective
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Role, Split
from cohort_helpers import segmentation


def train_with_early_best(folder: Path, cohort: Cohort, *, validated: bool = True) -> Run:
    """Train on the subjects a and b, so that the first of ten checkpoints is the best one.

    Without `validated`, the training loss determines the best one, as without validation subjects.
    """
    scores = iter([0.9, *([0.1] * 9)])

    def validate(*_: object) -> dict[str, float]:
        return {"validation_dice": next(scores)} if validated else {}

    settings = {"updates": 20, "optimiser": {"name": "adamw", "learning_rate": 0.05}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationObjective, "validate", validate)
        jobs.finetune(
            cohort,
            segmentation(method="scratch", **settings),
            Run(folder),
            budget=jobs.LabelBudget(["a", "b"]),
            split=Split({"a": Role.TRAIN, "b": Role.TRAIN, "c": Role.TEST, "d": Role.TEST}),
            settings=jobs.JobSettings("cpu"),
        )
    return Run(folder)
