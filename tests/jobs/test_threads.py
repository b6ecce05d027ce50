"""The number of processor threads of a job."""

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
    """Restore PyTorch's number of threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path / "cohort", "abcd"))


def test_threads_of_new_runs_come_from_the_job_and_of_resumed_runs_from_the_run(
    cohort: Cohort, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    jobs.pretrain(cohort, mim(threads=1), run, settings=jobs.JobSettings("cpu", threads=2))
    assert torch.get_num_threads() == load_checkpoint(run.last).recipe.threads == 2
    jobs.pretrain(cohort, None, run, settings=jobs.JobSettings("cpu", threads=3), resume=True)
    assert torch.get_num_threads() == load_checkpoint(run.last).recipe.threads == 2


def test_without_a_number_in_the_settings_the_recipe_decides(cohort: Cohort, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    jobs.pretrain(cohort, mim(threads=2), run, settings=jobs.JobSettings("cpu"))
    assert torch.get_num_threads() == load_checkpoint(run.last).recipe.threads == 2


def test_segmenting_and_scoring_use_the_threads_of_the_process(cohort: Cohort, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    budget = jobs.LabelBudget(1)
    jobs.finetune(cohort, segmentation(method="scratch", threads=2), run, budget=budget)
    torch.set_num_threads(1)
    jobs.segment_subjects(run, cohort.subjects[:1], device="cpu")
    jobs.evaluate(run, cohort, device="cpu")
    assert torch.get_num_threads() == 1
