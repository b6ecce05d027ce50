"""Runs with truncated files, missing permissions, and gradients that are not finite."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cmr_ssp.errors import RunError
from cmr_ssp.events import Cancel, Outcome
from cmr_ssp.runs import Run
from cmr_ssp.runs.records import RecordedSlices, write_slices
from cmr_ssp.weights import load_checkpoint
from numpy import float16, zeros
from numpy.typing import NDArray
from torch import Tensor, nn
from training_helpers import Line, cancelling_at, measured, recipe, run_training


def stopped(folder: Path) -> Run:
    cancel = Cancel()
    settings = recipe(updates=9)
    outcome = run_training(folder, Line(), settings, on_event=cancelling_at(5, cancel), cancel=cancel)
    assert outcome is Outcome.STOPPED
    return Run(folder)


@pytest.mark.parametrize("kept", [1, 9, -1])
def test_a_torn_last_row_of_the_history_is_made_again(tmp_path: Path, kept: int) -> None:
    run_training(tmp_path / "whole", Line(), recipe(updates=9))
    run = stopped(tmp_path / "parts")
    whole = run.history.read_bytes()
    begin = whole.rstrip().rfind(b"\n") + 1
    run.history.write_bytes(whole[: begin + kept] if kept > 0 else whole[:-1])
    assert not run.history.read_bytes().endswith(b"\n")
    run_training(run.folder, Line(), recipe(updates=9), resume=True)
    for name in ("last.safetensors", "best.safetensors"):
        assert (run.folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert measured(run)[-1] == measured(Run(tmp_path / "whole"))[-1]


@pytest.mark.parametrize("content", [b"epoch,update,loss\n1,three,0.5\n", b"a,b\n1,2\n", b"\xff\xfe\n1\n"])
def test_a_damaged_history_is_a_named_error(tmp_path: Path, content: bytes) -> None:
    run = stopped(tmp_path / "run")
    run.history.write_bytes(content)
    with pytest.raises(RunError, match=r"history\.csv: is not a valid history"):
        run_training(run.folder, Line(), recipe(updates=9), resume=True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_of_a_run_get_the_permissions_that_the_umask_gives(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        run_training(tmp_path, Line(), recipe())
        slices = RecordedSlices(
            zeros((1, 4, 4), float16), zeros((1, 4, 4), bool), (("a", 0, 0),), "train", 1.0
        )
        write_slices(Run(tmp_path), slices)
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"last.safetensors", "best.safetensors", "slices.safetensors"}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in files} == {
        path.name: mode for path in files
    }


class Steep(Line):
    """A loss that is finite where its gradient is not: the square root of zero."""

    def loss(self, network: nn.Module, samples: NDArray, seed: tuple[int, ...]) -> Tensor:
        loss = super().loss(network, samples, seed)
        return (loss - loss.detach()).abs().sqrt() if seed[1] == 3 else loss


def test_gradients_that_are_not_finite_are_a_named_error(tmp_path: Path) -> None:
    settings = recipe(optimiser={"learning_rate": 0.05, "momentum": 0.9, "max_gradient_norm": 1.0})
    with pytest.raises(RunError, match="update 4: its gradients are not finite") as caught:
        run_training(tmp_path, Steep(), settings)
    assert "learning_rate" in caught.value.problems[0].remedy
    assert load_checkpoint(Run(tmp_path).last).tally["update"] == 3  # which is finite, or it would not load
