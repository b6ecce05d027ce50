"""A training on a worker of dask is that of this machine: its weights, its events, its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp import jobs
from cmr_ssp.cluster import embedded_cluster
from cmr_ssp.errors import CmrSspError, OutputError
from cmr_ssp.events import (
    Cancel,
    CheckpointWritten,
    EpochFinished,
    JobEnded,
    Outcome,
    RunStarted,
    UpdateFinished,
)
from cmr_ssp.files import open_cohort
from cmr_ssp.jobs.remote import train_remotely
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Role, Split
from cohort_helpers import Listener, mim, segmentation, write_beating_cohort
from training_helpers import measured

pytest.importorskip("distributed")

SPLIT = Split({**dict.fromkeys("abc", Role.TRAIN), "d": Role.TEST})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd"))


@pytest.fixture(scope="module")
def address(cache: Path) -> Iterator[str]:
    with embedded_cluster(1) as client:
        yield client.scheduler.address


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> jobs.JobSettings:
    return jobs.JobSettings("cpu", bank_folder=tmp_path_factory.mktemp("banks"), threads=1)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_it_is_the_training_of_this_machine(
    stage: str, address: str, cohort: Cohort, settings: jobs.JobSettings, tmp_path: Path
) -> None:
    recipe = mim() if stage == "pretrain" else segmentation(method="scratch")
    here, there, options = (
        Run(tmp_path / "here"),
        Run(tmp_path / "there"),
        {"settings": settings, "split": SPLIT},
    )
    heard, far = Listener(), Listener()
    job: Any = getattr(jobs, stage)
    job(cohort, recipe, here, on_event=heard, **options)
    outcome = train_remotely(address, stage, cohort, recipe, there, on_event=far, **options)  # type: ignore[arg-type]
    assert outcome is Outcome.FINISHED
    assert there.last.read_bytes() == here.last.read_bytes()
    assert measured(there) == measured(here)
    kinds = (CheckpointWritten, EpochFinished)
    counts = [sum(isinstance(event, kinds) for event in events) for events in (heard, far)]
    assert counts[0] == counts[1] > 0
    (started,) = [event for event in far if isinstance(event, RunStarted)]
    assert started.folder == there.folder
    last = [event for event in far if isinstance(event, UpdateFinished)][-1]
    assert last.update == last.updates
    assert far[-1] == JobEnded(Outcome.FINISHED)
    assert not list(tmp_path.glob(".stop*"))


def test_it_stops_on_request_and_is_resumed(
    address: str, cohort: Cohort, settings: jobs.JobSettings, tmp_path: Path
) -> None:
    run, cancel = Run(tmp_path / "run"), Cancel()
    recipe = mim(updates=3000, epochs=None, checkpoint_every=5)

    def listen(event: object) -> None:
        if isinstance(event, UpdateFinished):
            cancel.request()

    options = {"settings": settings, "split": SPLIT}
    stopped = train_remotely(
        address, "pretrain", cohort, recipe, run, on_event=listen, cancel=cancel, **options
    )
    assert stopped is Outcome.STOPPED
    assert run.read_state()[0] is Outcome.STOPPED
    assert not list(tmp_path.glob(".stop*"))


def test_errors_come_with_all_their_problems(
    address: str, cohort: Cohort, settings: jobs.JobSettings, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    heard = Listener()
    with pytest.raises(CmrSspError) as failed:
        train_remotely(
            address, "pretrain", cohort, mim(), Run(tmp_path / "run"), on_event=heard, settings=settings
        )
    (problem,) = failed.value.problems
    assert "run" in problem.where and problem.remedy
    assert heard[-1] == JobEnded(Outcome.FAILED, failed.value.problems)


def test_an_open_scheduler_on_another_machine_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="neither encrypted"):
        train_remotely("tcp://10.0.0.7:8786", "pretrain", cohort, mim(), Run(tmp_path / "run"))
