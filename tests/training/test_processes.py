"""Two processes that share every batch give the result of one; invalid settings are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.errors import DeviceError, RecipeError
from cmr_ssp.files import open_cohort
from cmr_ssp.jobs import training_job
from cmr_ssp.process_group import ProcessGroup, process_rank
from cmr_ssp.recipes import method_names
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import write_beating_cohort
from files_helpers import save
from places import HELPERS
from training_helpers import measured
from two_processes import LIMITED, RECIPES, SPLIT, recipe_of, train_all

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8", "RANK": "5"}
SLURM = {"SLURM_NTASKS": "6", "SLURM_NNODES": "3", "SLURM_PROCID": "2", "SLURM_JOB_NAME": "train"}
LAUNCHED = {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three subjects; in one frame of the training subject the RV is not labelled."""
    folder = write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "abc")
    drawn = nib.load(folder / "a_ES_gt.nii.gz")
    labels = np.asarray(drawn.dataobj)
    save(folder / "a_ES_gt.nii.gz", labels * (labels != 3), drawn.affine)
    return folder


@pytest.fixture(scope="module")
def one(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    train_all(cohort, folder)
    return folder


@pytest.fixture(scope="module")
def two(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    path = os.pathsep.join([str(HELPERS), *sys.path])
    program = [sys.executable, str(HELPERS / "two_processes.py"), str(cohort), str(folder), "2"]
    ended = subprocess.run(
        program,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="the launcher was tried on Linux alone")
def test_every_method_is_trained_by_two_processes() -> None:
    assert set(method_names()) <= set(RECIPES)


@pytest.mark.parametrize("method", RECIPES)
def test_two_processes_give_the_weights_of_one(one: Path, two: Path, method: str) -> None:
    ours, theirs = (load_checkpoint(Run(folder / method).last) for folder in (one, two))
    assert theirs.provenance.machine["processes"] == 2
    assert theirs.tally["update"] == 6
    assert list(ours.network) == list(theirs.network)
    for name, tensor in ours.network.items():
        torch.testing.assert_close(theirs.network[name], tensor, rtol=0, atol=1e-5, msg=name)
    rows, others = (measured(Run(folder / method)) for folder in (one, two))
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert list(row) == list(other)
        for name, value in row.items():
            if name == "run":  # says from which weights, which differ by rounding
                continue
            assert other[name] == value or float(other[name]) == pytest.approx(float(value), abs=1e-4), name


@pytest.mark.skipif(sys.platform == "win32", reason="the launcher was tried on Linux alone")
def test_two_processes_plan_the_same_number_of_updates(two: Path) -> None:
    kept = load_checkpoint(Run(two / LIMITED).last)
    assert 1 <= kept.tally["update"] == kept.recipe.updates < 10**6
    assert kept.provenance.machine["processes"] == 2


# ---- timeouts -------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="the launcher was tried on Linux alone")
@pytest.mark.parametrize(("late", "met"), [((6, 0), True), ((0, 20), False)], ids=["first", "partner"])
def test_only_rank_0_may_be_late(tmp_path: Path, late: tuple[int, int], met: bool) -> None:
    """Rank 0 builds banks and validates meanwhile; another process that is late was stopped."""
    words = [sys.executable, str(HELPERS / "barrier_process.py")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HELPERS), *sys.path]),
        "CMR_SSP_PATIENCE": "3",
    }
    first, partner = (
        subprocess.Popen(
            [*words, str(number), str(tmp_path / "store"), str(seconds)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, seconds in enumerate(late)
    )
    try:
        out, _ = first.communicate(timeout=120)
        assert out.startswith("met" if met else "lost")
        if not met:
            assert float(out.split()[1]) < 10
        else:
            assert partner.communicate(timeout=120)[0].startswith("met")
    finally:
        for process in (first, partner):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "text",
    [
        "Application timeout caused pair closure",
        "[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:34694.",
        "[Rank 0]: Rank 1 failed to pass monitoredBarrier in 3000 ms\n Timed out waiting 3000ms for recv",
        "NCCL communicator was aborted on rank 0.",
    ],
)
def test_lost_connections_are_recognised_by_their_messages(text: str) -> None:
    assert training_job._is_connection_error(RuntimeError(text))
    assert not training_job._is_connection_error(OSError(text)), "a full disk is none"
    assert not training_job._is_connection_error(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


# ---- what is refused ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(cohort: Path) -> Cohort:
    return open_cohort(cohort)


def test_only_the_command_line_starts_processes(listed: Cohort, tmp_path: Path) -> None:
    settings = jobs.JobSettings("cpu", bank_folder=tmp_path / "banks", devices=2)
    with pytest.raises(DeviceError, match="command line"):
        jobs.pretrain(listed, recipe_of("mim"), Run(tmp_path / "run"), split=SPLIT, settings=settings)
    assert not (tmp_path / "banks").exists()


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"batch_size": 4}, "batch_size"), ({"batch_size": 6, "micro_batch": 2}, "micro_batch")],
)
def test_a_batch_that_cannot_be_divided_is_refused(
    listed: Cohort, tmp_path: Path, changes: dict[str, int], name: str
) -> None:
    settings = jobs.JobSettings("cpu", devices=3, from_command_line=True)
    recipe = recipe_of("mim", **{"micro_batch": None} | changes)
    with pytest.raises(RecipeError, match=rf"{name}.*3 processes"):
        jobs.pretrain(listed, recipe, Run(tmp_path / "run"), split=SPLIT, settings=settings)


# ---- process group -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "group"),
    [
        ({}, ProcessGroup()),
        (TORCHRUN, ProcessGroup(4, 2, 5, started=True)),
        (SLURM, ProcessGroup(2, 3, 2, started=True)),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, ProcessGroup()),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, ProcessGroup()),
        (LAUNCHED, ProcessGroup(2, 1, 1, started=True)),
    ],
)
def test_the_process_group_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, about: dict[str, str], group: ProcessGroup
) -> None:
    for name in TORCHRUN | SLURM | LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    for name, value in about.items():
        monkeypatch.setenv(name, value)
    assert ProcessGroup.of() == group
    assert process_rank() == group.rank
    if group.started:
        with pytest.raises(DeviceError, match="were started"):
            ProcessGroup.of(group.devices + 1)
    else:
        assert ProcessGroup.of(3) == ProcessGroup(3)
