"""Checkpoints: round trips, rejection of damaged files, and transfer of weights."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cmr_ssp.errors import CheckpointError, OutputError, Severity
from cmr_ssp.networks import UNet
from cmr_ssp.runs import Provenance, file_digest
from cmr_ssp.weights import Checkpoint, load_checkpoint, save_checkpoint, transfer_weights
from cmr_ssp.weights import checkpoint as module
from places import HELPERS
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from training_helpers import recipe

PROVENANCE = Provenance({"a": "1"}, {"b": "2"}, {}, ["ED"], "digest", {"threads": 1, "torch": "2"})


def trained(optimiser: str = "adamw") -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = UNet((2, 4), 3, deep_supervision=True).to(memory_format=torch.channels_last)
    choices: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(network.parameters(), lr=0.1),
        "sgd": lambda: torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9),
    }
    made = choices[optimiser]()
    for _ in range(2):
        network(torch.randn(2, 1, 4, 4))[0].square().mean().backward()
        made.step()
    return network, made


def checkpoint_of(network: nn.Module, optimiser: torch.optim.Optimizer, update: int = 2) -> Checkpoint:
    tally = {"update": update, "best": 0.25, "loss_sum": 1e-17}
    return Checkpoint(
        network.state_dict(), optimiser.state_dict(), tally, recipe(), PROVENANCE, {"loss": 0.1 + 0.2}
    )


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("valid") / "last.safetensors"
    save_checkpoint(path, checkpoint_of(*trained()))
    return path.read_bytes()


def same(a: Any, b: Any) -> bool:
    """Compare nested states exactly; tuples become lists."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_round_trip(tmp_path: Path, optimiser: str) -> None:
    network, made = trained(optimiser)
    saved = checkpoint_of(network, made)
    save_checkpoint(tmp_path / "last.safetensors", saved)
    loaded = load_checkpoint(tmp_path / "last.safetensors")
    assert same(dict(saved.network), dict(loaded.network))
    assert same(dict(saved.optimiser), dict(loaded.optimiser))
    assert all(isinstance(key, int) for key in loaded.optimiser["state"])
    assert loaded.optimiser["state"]
    for part in ("tally", "recipe", "provenance", "scores"):
        assert getattr(loaded, part) == getattr(saved, part)
    made.load_state_dict(dict(loaded.optimiser))
    network.load_state_dict(loaded.network)


def test_the_only_file_is_the_checkpoint_and_its_digest_follows_its_bytes(
    tmp_path: Path, valid: bytes
) -> None:
    path = tmp_path / "new" / "last.safetensors"
    network, optimiser = trained()
    save_checkpoint(path, checkpoint_of(network, optimiser))
    assert [file.name for file in path.parent.iterdir()] == ["last.safetensors"]
    first = file_digest(path)
    save_checkpoint(path, checkpoint_of(network, optimiser, update=3))
    assert file_digest(path) != first


# ---- what is no checkpoint ----------------------------------------------------------------------


class Bomb:
    """Unpickling it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "executed")


@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_a_pickle_is_refused_and_never_executed(tmp_path: Path, write: str) -> None:
    path, target = tmp_path / "last.safetensors", tmp_path / "executed"
    if write == "pickle":
        path.write_bytes(pickle.dumps(Bomb(target)))
    else:
        torch.save({"network": Bomb(target)}, path)
    with pytest.raises(CheckpointError, match=r"last\.safetensors"):
        load_checkpoint(path)
    assert not target.exists()
    content = io.BytesIO(path.read_bytes())
    torch.load(content, weights_only=False) if write == "torch" else pickle.load(content)  # noqa: S301
    assert target.exists()  # the bomb was a real one


def test_every_truncation_is_refused(tmp_path: Path, valid: bytes) -> None:
    path = tmp_path / "last.safetensors"
    for length in (0, 1, 8, 100, len(valid) // 2, len(valid) - 1):
        path.write_bytes(valid[:length])
        with pytest.raises(CheckpointError, match="not a valid"):
            load_checkpoint(path)


def test_damage_in_the_header_is_refused(tmp_path: Path, valid: bytes) -> None:
    path = tmp_path / "last.safetensors"
    for damaged in (b"\xff" * 8 + valid[8:], valid[:20] + b"\x00\x01" + valid[22:], b"not a checkpoint"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the checkpoint does not exist"):
        load_checkpoint(tmp_path / "last.safetensors")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path)


def about(**changes: Any) -> dict[str, Any]:
    """Return the modified header of a checkpoint without tensors."""
    tree = {
        "format": "cmr-ssp checkpoint 1",
        "network": {"pairs": []},
        "optimiser": {"pairs": []},
        "tally": {},
        "recipe": recipe().model_dump(mode="json"),
        "provenance": PROVENANCE.as_dict(),
        "scores": {},
    }
    return tree | changes


@pytest.mark.parametrize(
    "header",
    [
        None,
        "[]",
        "{",
        json.dumps(about(format="cmr-ssp checkpoint 99")),
        json.dumps(about(network={"pairs": [["weight", "tensor:elsewhere"]]})),
        json.dumps(about(network={"weight": 1})),
        json.dumps(about(recipe=[])),
        json.dumps(about(recipe={"method": "mim", "surprise": 1})),
        json.dumps(about(provenance={"surprise": 1})),
        json.dumps({}),
    ],
)
def test_a_foreign_file_is_refused_by_name(tmp_path: Path, header: str | None) -> None:
    path = tmp_path / "last.safetensors"
    metadata = None if header is None else {"cmr_ssp": header}
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"last\.safetensors"):
        load_checkpoint(path)


def test_the_header_used_above_is_a_valid_one(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"cmr_ssp": json.dumps(about())})
    assert load_checkpoint(path).provenance == PROVENANCE


# ---- damage -------------------------------------------------------------------------------------


def test_equal_states_give_equal_bytes_in_every_process(tmp_path: Path, valid: bytes) -> None:
    """Safetensors writes the keys of its metadata in an order that changes from call to call."""
    for _ in range(8):
        save_checkpoint(tmp_path / "again.safetensors", checkpoint_of(*trained()))
        assert (tmp_path / "again.safetensors").read_bytes() == valid
    script = (
        "import sys; from pathlib import Path; from test_checkpoint import *; "
        "save_checkpoint(Path(sys.argv[1]), checkpoint_of(*trained()))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(HELPERS)])}
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.safetensors"
        subprocess.run(
            [sys.executable, "-c", script, str(path)], check=True, env=environment | {"PYTHONHASHSEED": seed}
        )
        assert path.read_bytes() == valid


def test_every_flipped_bit_is_refused(tmp_path: Path, valid: bytes) -> None:
    path = tmp_path / "last.safetensors"
    places = [*range(8, len(valid), 97), len(valid) - 1]
    assert len(places) > 100
    for place in places:
        damaged = bytearray(valid)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"last\.safetensors"):
            load_checkpoint(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(
    tmp_path: Path, valid: bytes, value: float
) -> None:
    path = tmp_path / "last.safetensors"
    path.write_bytes(valid)
    network, optimiser = trained()
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = value
    with pytest.raises(CheckpointError, match="would not be finite"):
        save_checkpoint(path, checkpoint_of(network, optimiser))
    assert path.read_bytes() == valid
    for older in (False, True):  # an honest digest of bad weights, and none at all
        tensors, tree = load_file(path), header_of(path)
        tensors["network.encoder.stages.0.0.weight"].view(-1)[0] = value
        del tree["digest"]
        tree |= {} if older else {"digest": module._digest(tree, tensors)}
        save_file(tensors, tmp_path / "bad.safetensors", metadata={"cmr_ssp": json.dumps(tree)})
        with pytest.raises(CheckpointError, match="not finite"):
            load_checkpoint(tmp_path / "bad.safetensors")


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        assert list(file.metadata()) == ["cmr_ssp"]
        tree: dict[str, Any] = json.loads(file.metadata()["cmr_ssp"])
    return tree


def test_a_checkpoint_from_before_there_were_digests_loads_with_a_warning(
    tmp_path: Path, valid: bytes
) -> None:
    path = tmp_path / "last.safetensors"
    path.write_bytes(valid)
    assert load_checkpoint(path).problems == ()
    tree = header_of(path)
    del tree["digest"]
    save_file(load_file(path), path, metadata={"cmr_ssp": json.dumps(tree)})
    (problem,) = load_checkpoint(path).problems
    assert problem.severity is Severity.WARNING
    assert "earlier version" in problem.what


# ---- atomic -------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["interrupted", "full"])
def test_a_failure_while_writing_leaves_the_old_file(
    tmp_path: Path, valid: bytes, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    path = tmp_path / "last.safetensors"
    path.write_bytes(valid)

    def fail(tensors: Any, name: Path, metadata: Any) -> None:
        Path(name).write_bytes(b"half a file")
        raise KeyboardInterrupt if failure == "interrupted" else module.SafetensorError("no space left")

    monkeypatch.setattr(module, "save_file", fail)
    with pytest.raises(KeyboardInterrupt if failure == "interrupted" else OutputError):
        save_checkpoint(path, checkpoint_of(*trained(), update=9))
    assert path.read_bytes() == valid
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"last\.safetensors"):
        save_checkpoint(tmp_path / "file" / "last.safetensors", checkpoint_of(*trained()))


# ---- transfer -----------------------------------------------------------------------------------

BOTH = ("encoder", "decoder")


def networks(source: tuple[int, ...], target: tuple[int, ...]) -> tuple[UNet, UNet]:
    return UNet(source, 1, deep_supervision=False), UNet(target, 4, deep_supervision=True)


def state_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_encoder_and_decoder_are_carried_over_and_heads_never() -> None:
    source, target = networks((2, 3, 4), (2, 3, 4))
    with torch.no_grad():
        for buffer in source.buffers():
            buffer.add_(1)  # running statistics come along
    before = state_of(target)
    report = transfer_weights(source.state_dict(), target, BOTH, "run")
    after, given = state_of(target), state_of(source)
    for name in after:
        part = name.partition(".")[0]
        assert torch.equal(after[name], before[name] if part == "heads" else given[name])
        assert (name in report.missing) == (part == "heads")
    assert set(report.loaded) == {name for name in given if not name.startswith("heads")}
    assert set(report.left_out) == {"heads.0.weight", "heads.0.bias"}
    assert len(report.missing) == 4


def test_the_encoder_alone_can_be_carried_over() -> None:
    source, target = networks((2, 3), (2, 3))
    before = state_of(target)
    report = transfer_weights(source.state_dict(), target, ("encoder",), "run")
    assert torch.equal(target.state_dict()["decoder.stages.0.0.weight"], before["decoder.stages.0.0.weight"])
    assert all(name.startswith("encoder.") for name in report.loaded)
    assert "decoder.stages.0.0.weight" in report.left_out


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((2, 3, 4), (2, 3, 5)),
        ((2, 3, 4), (2, 3)),
        ((2, 3), (2, 3, 4)),
        ((4, 4), (4, 4, 4)),
        ((4, 4, 4), (4, 4)),
    ],
)
def test_another_network_is_refused_and_nothing_is_copied(
    source: tuple[int, ...], target: tuple[int, ...]
) -> None:
    giving, taking = networks(source, target)
    before = state_of(taking)
    with pytest.raises(CheckpointError, match=r"some-run.*other sizes"):
        transfer_weights(giving.state_dict(), taking, BOTH, "some-run")
    assert same(before, state_of(taking))


def test_a_source_without_the_part_is_refused() -> None:
    _, target = networks((2, 3), (2, 3))
    with pytest.raises(CheckpointError):
        transfer_weights({"something.weight": torch.zeros(1)}, target, BOTH, "some-run")
