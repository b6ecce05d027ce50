"""The moving average: what it is, that it predicts, and that it is resumed exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cmr_ssp.errors import CheckpointError
from cmr_ssp.events import Cancel, Outcome
from cmr_ssp.recipes import SegmentationRecipe
from cmr_ssp.runs import Run
from cmr_ssp.training.average import MovingAverage
from cmr_ssp.weights import load_checkpoint
from torch import nn
from training_helpers import Line, cancelling_at, normalised, recipe, run_training

UPDATES = 12


def averaging(decay: float | None) -> Any:
    tree = recipe(updates=UPDATES, checkpoint_every=4).model_dump(exclude={"mask", "records_every", "method"})
    kept = {name: value for name, value in tree.items() if name in SegmentationRecipe.model_fields}
    return SegmentationRecipe.model_validate(kept | {"method": "scratch", "moving_average": decay})


def objective(**others: Any) -> Line:
    return Line(n_samples=13, network=normalised, **others)


def test_it_is_the_exponential_mean_of_what_it_followed() -> None:
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    average, expected = MovingAverage(layer, 0.9), 1.0
    for update, value in enumerate((2.0, -1.0, 4.0)):
        with torch.no_grad():
            layer.weight.fill_(value)
        average.follow(update)
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * value
    assert average.state["weight"].item() == pytest.approx(expected, rel=1e-6)
    assert layer.weight.item() == 4.0


def test_the_network_has_it_for_a_while_and_then_its_own_weights_even_after_an_error() -> None:
    network = normalised()
    average = MovingAverage(network, 0.5)
    network(torch.randn(8, 3))  # moves the running statistics
    with torch.no_grad():
        network[0].weight.add_(1.0)  # type: ignore[operator, union-attr]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ZeroDivisionError), average.in_place():
        inside = network.state_dict()
        assert all(torch.equal(inside[name], tensor) for name, tensor in average.state.items())
        assert not torch.equal(inside["1.running_mean"], before["1.running_mean"])
        raise ZeroDivisionError
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_training_itself_does_not_change(tmp_path: Path) -> None:
    for name, decay in (("plain", None), ("averaged", 0.99)):
        run_training(tmp_path / name, objective(), averaging(decay))
    plain = load_checkpoint(Run(tmp_path / "plain").last)
    averaged = load_checkpoint(Run(tmp_path / "averaged").last)
    assert plain.trained is None
    assert averaged.trained is not None
    assert all(torch.equal(averaged.trained[name], tensor) for name, tensor in plain.network.items())
    assert any(not torch.equal(averaged.network[name], tensor) for name, tensor in plain.network.items())


def test_validation_sees_the_average(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []
    watched: Line = objective(before_validation=lambda: seen.append(watched.network[0].weight.clone()))  # type: ignore[index]
    run_training(tmp_path, watched, averaging(0.99))
    saved = load_checkpoint(Run(tmp_path).last)
    assert torch.equal(seen[-1], saved.network["0.weight"])
    assert torch.equal(watched.network[0].weight, saved.trained["0.weight"])  # type: ignore[index]


@pytest.mark.parametrize("update", [1, 4, 7])
def test_a_stopped_run_continues_bit_for_bit(tmp_path: Path, update: int) -> None:
    settings, cancel = averaging(0.9), Cancel()
    run_training(tmp_path / "whole", objective(), settings)
    part = tmp_path / "part"
    listen = cancelling_at(update, cancel)
    assert run_training(part, objective(), settings, on_event=listen, cancel=cancel) is Outcome.STOPPED
    assert run_training(part, objective(), settings, resume=True) is Outcome.FINISHED
    assert Run(part).last.read_bytes() == Run(tmp_path / "whole").last.read_bytes()


def test_a_damaged_weight_of_the_training_is_found(tmp_path: Path) -> None:
    run_training(tmp_path, objective(), averaging(0.9))
    path = Run(tmp_path).last
    content = bytearray(path.read_bytes())
    trained = load_checkpoint(path).trained
    assert trained is not None
    place = content.find(trained["3.weight"].numpy().tobytes())
    assert place > 0
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)
