"""How many processor threads a job takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import mim, segmentation, write_beating_cohort


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Leave torch's number of threads as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path / "cohort", "abcd"))


def test_a_new_run_takes_what_the_job_says_and_a_resumed_one_its_own(cohort: Cohort, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    jobs.pretrain(cohort, mim(threads=1), run, settings=jobs.JobSettings("cpu", threads=2))
    assert torch.get_num_threads() == load_checkpoint(run.last).recipe.threads == 2
    jobs.pretrain(cohort, None, run, settings=jobs.JobSettings("cpu", threads=3), resume=True)
    assert torch.get_num_threads() == load_checkpoint(run.last).recipe.threads == 2


def test_without_a_number_in_the_settings_the_recipe_decides(cohort: Cohort, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    jobs.pretrain(cohort, mim(threads=2), run, settings=jobs.JobSettings("cpu"))
    assert torch.get_num_threads() == load_checkpoint(run.last).recipe.threads == 2


def test_segmenting_and_scoring_take_what_the_process_has(cohort: Cohort, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    budget = jobs.LabelBudget(1)
    jobs.finetune(cohort, segmentation(method="scratch", threads=2), run, budget=budget)
    torch.set_num_threads(1)
    jobs.segment_subjects(run, cohort.subjects[:1], device="cpu")
    jobs.evaluate(run, cohort, device="cpu")
    assert torch.get_num_threads() == 1
