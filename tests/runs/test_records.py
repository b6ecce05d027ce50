"""Records of masked image modelling in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.errors import RunError
from cmr_ssp.events import Cancel, Event, ReconstructionReady
from cmr_ssp.files import open_cohort
from cmr_ssp.methods.mim import MimRecipe
from cmr_ssp.methods.mim.objective import spread_slices
from cmr_ssp.networks import UNet
from cmr_ssp.runs import Run, read_records
from cmr_ssp.samples.bank.slices import SLICE
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import write_beating_cohort
from training_helpers import cancelling_at
from training_helpers import recipe as mim

ROLES = {"a": Role.TRAIN, "b": Role.TRAIN, "c": Role.VALIDATION, "d": Role.TEST}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd"))


def pretrain(
    cohort: Cohort, folder: Path, recipe: MimRecipe | None, roles: dict[str, Role] = ROLES, **more: Any
) -> Run:
    run = Run(folder)
    jobs.pretrain(cohort, recipe, run, split=Split(roles), settings=jobs.JobSettings("cpu"), **more)
    return run


def files(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(run.records.iterdir())}


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_resumed_run_has_the_records_of_one_that_was_never_stopped(
    cohort: Cohort, tmp_path: Path, stop: int
) -> None:
    recipe = mim(records_every=2)
    whole = pretrain(cohort, tmp_path / "whole", recipe)
    cancel = Cancel()
    run = pretrain(cohort, tmp_path / "run", recipe, cancel=cancel, on_event=cancelling_at(stop, cancel))
    assert len(files(run)) < len(files(whole))
    (run.records / "update-0000005.safetensors").write_bytes(b"of a killed process")
    (run.records / ".update-0000006.safetensors.0123abcd.tmp").write_bytes(b"half")
    told: list[Event] = []
    assert pretrain(cohort, run.folder, None, resume=True, on_event=told.append)
    assert files(run) == files(whole)
    assert [e.update for e in told if isinstance(e, ReconstructionReady)][-1] == 6


def test_records_change_nothing_of_the_training(cohort: Cohort, tmp_path: Path) -> None:
    rare, often = (
        load_checkpoint(pretrain(cohort, tmp_path / str(every), mim(records_every=every)).last)
        for every in (6, 1)
    )
    for name, weights in rare.network.items():
        assert weights.equal(often.network[name])


def test_the_same_slices_are_rebuilt_with_the_same_patches_hidden(cohort: Cohort, tmp_path: Path) -> None:
    recipe = mim(updates=45, checkpoint_every=45)
    run = pretrain(cohort, tmp_path / "run", recipe)
    records, size = read_records(run), recipe.crop.size_px
    assert records.updates == (*range(0, 45, 3), 45)
    slices = records.slices
    n = len(slices.places)
    assert 4 <= n <= 8 and slices.role == "validation" and {name for name, *_ in slices.places} == {"c"}
    assert records.rebuilt.shape == (16, n, size, size) and slices.masks.shape == (n, size, size)
    assert (slices.masks.mean(axis=(1, 2)) == 0.75).all()
    network = UNet(recipe.network.channels, 1, deep_supervision=False).eval()
    network.load_state_dict(load_checkpoint(run.last).network)
    masked = torch.from_numpy(np.where(slices.masks, 0, slices.images.astype(np.float32)))
    with torch.inference_mode():
        expected = network(masked[:, None])[:, 0].numpy()
    np.testing.assert_allclose(records.rebuilt[-1], expected, atol=0.05)
    assert np.abs(records.rebuilt[0] - expected).mean() > 0.03
    hidden = slices.masks[2]
    squares = (records.rebuilt[1, 2] - slices.images[2].astype(float))[hidden] ** 2
    assert records.mean_error[1, 2] == pytest.approx(squares.mean(), rel=1e-3)
    assert max(len(content) for content in files(run).values()) < 3 * n * size**2 + 2000
    again = read_records(pretrain(cohort, tmp_path / "again", mim(seed=1, updates=1)))
    assert not np.array_equal(again.slices.masks[:4], slices.masks[:4])


def test_without_validation_training_slices_are_rebuilt(cohort: Cohort, tmp_path: Path) -> None:
    roles = ROLES | {"c": Role.TRAIN}
    slices = read_records(pretrain(cohort, tmp_path / "run", mim(updates=1), roles)).slices
    assert slices.role == "train" and {name for name, *_ in slices.places} == {"a", "b", "c"}


def test_slices_are_spread_over_subjects_levels_and_frames() -> None:
    shape = (10, 20, 9)  # subject, frame, slice
    index = np.zeros(np.prod(shape), SLICE)
    index["subject"], index["frame"], index["slice"] = (axis.ravel() for axis in np.indices(shape))
    samples = np.flatnonzero(index["subject"] >= 1)
    chosen = index[spread_slices(index, samples, 0)]
    assert len(chosen) == 8 and 0 not in chosen["subject"]
    assert len(set(chosen["subject"])) == len(set(chosen["frame"])) == len(set(chosen["slice"])) == 8
    assert not np.array_equal(spread_slices(index, samples, 0), spread_slices(index, samples, 1))
    assert spread_slices(index, samples[:1], 0).tolist() == samples[:1].tolist()


def test_what_is_missing_or_damaged_is_named(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no reconstruction records"):
        read_records(Run(tmp_path))
    run = pretrain(cohort, tmp_path / "run", mim(updates=1))
    path = run.records / "update-0000001.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match=r"update-0000001.*not a valid record"):
        read_records(run)
