from __future__ import annotations

from pathlib import Path

import cmr_ssp
import pytest
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort
from cohort_helpers import mim, segmentation, write_beating_cohort


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "abcdef", labelled="abcde")


@pytest.fixture(scope="package")
def cohort(folder: Path) -> Cohort:
    return cmr_ssp.open_cohort(folder)


@pytest.fixture(scope="package")
def pretrained(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return cmr_ssp.pretrain(cohort, mim(), tmp_path_factory.mktemp("runs") / "mim")


@pytest.fixture(scope="package")
def tuned(cohort: Cohort, pretrained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = tmp_path_factory.mktemp("runs") / "tuned"
    return cmr_ssp.finetune(cohort, segmentation(), run, pretrained=pretrained, subjects=2)
