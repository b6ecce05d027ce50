"""Train every method for a few updates; with a number of devices, as a program that starts the others.

`python two_processes.py COHORT FOLDER 2` trains in two processes what `train_all` does in one.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import PretrainRecipe, SegmentationRecipe, parse_recipe
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Role, Split
from cohort_helpers import COMMON

SPLIT = Split({"a": Role.TRAIN, "b": Role.VALIDATION, "c": Role.TEST})
BUDGET = jobs.LabelBudget({"a": tuple(Phase)})
# Plain SGD: Adam would blow the rounding of vanishing gradients up to whole steps.
SHORT: dict[str, Any] = COMMON | {
    "updates": 6,
    "checkpoint_every": 3,
    "optimiser": {"learning_rate": 0.05, "momentum": 0.9},
}
LIMITED = "limited"
"""A run with a time limit."""

HEAD = {"hidden": 6, "outputs": 5}
RECIPES: dict[str, dict[str, Any]] = {
    "mim": {"batch_size": 8, "micro_batch": 4, "mask": {"patch_px": 4}},
    "simclr": {"head": HEAD},
    "pcl": {"head": HEAD},
    "dino": {
        "head": {"hidden": 6, "bottleneck": 4, "outputs": 8},
        "views": {"n_local": 2, "local_size_px": 8, "local_translation_px": 4},
        "freeze_last_layer": 0.5,
        # Otherwise rounding grows: one process with and without oneDNN ended 4e-4 apart, too.
        "temperature": 0.5,
        "teacher": {"first_temperature": 0.2, "temperature": 0.3},
        "optimiser": {"learning_rate": 0.002, "momentum": 0.9},
    },
    "finetune": {"freeze_encoder": 0.5},
}


def recipe_of(method: str, **changes: Any) -> Any:
    """Return a tiny recipe of a method."""
    return parse_recipe(SHORT | {"method": method} | RECIPES[method] | changes, "test")


def train_all(cohort: Path, folder: Path, devices: int | None = None) -> None:
    """Make a run of each method, fine-tuning from that of MIM, and one with a time limit.

    The folder holds the slice banks too.
    """
    settings = jobs.JobSettings("cpu", bank_folder=folder / "banks", devices=devices, from_command_line=True)
    limited = replace(settings, max_minutes=0.05)
    listed = open_cohort(cohort)
    for method in RECIPES:
        recipe, run = recipe_of(method), Run(folder / method)
        if isinstance(recipe, PretrainRecipe):
            jobs.pretrain(listed, recipe, run, split=SPLIT, settings=settings)
        else:
            assert isinstance(recipe, SegmentationRecipe)
            source = Run(folder / "mim")
            jobs.finetune(listed, recipe, run, pretrained=source, budget=BUDGET, settings=settings)
    many = recipe_of("mim", updates=10**6)
    jobs.pretrain(listed, many, Run(folder / LIMITED), split=SPLIT, settings=limited)


if __name__ == "__main__":
    train_all(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
