"""A training so small that it takes milliseconds, and what is needed to watch it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cmr_ssp.devices import make_fabric
from cmr_ssp.events import Cancel, Event, OnEvent, Outcome, UpdateFinished
from cmr_ssp.methods.mim import MimRecipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.training import Objective, TimeLimit, TrainingLength, train
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn


def recipe(**changes: Any) -> MimRecipe:
    """Return a recipe of 6 updates with 4 samples each, momentum and a falling rate."""
    tree: dict[str, Any] = {
        "updates": 6,
        "batch_size": 4,
        "checkpoint_every": 3,
        "precision": "32-true",
        "threads": 1,
        "network": {"channels": (2, 4)},
        "crop": {"size_px": 16},
        "mask": {"patch_px": 8},
        "optimiser": {"learning_rate": 0.05, "momentum": 0.9},
    }
    if "epochs" in changes:
        del tree["updates"]
    return MimRecipe.model_validate(tree | changes)


def linear() -> nn.Module:
    return nn.Linear(3, 1)


def normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 1))


class Line(Objective):
    """Fits a line to points that are a function of sample and seed; `before_loss` may interfere."""

    def __init__(
        self,
        n_samples: int = 10,
        network: Callable[[], nn.Module] = linear,
        *,
        scores: Callable[[], dict[str, float]] = dict,
        before_validation: Callable[[], None] = lambda: None,
        before_loss: Callable[[tuple[int, ...]], None] = lambda seed: None,
        noisy: bool = True,
    ) -> None:
        self.samples: NDArray[np.int64] = np.arange(n_samples)
        torch.manual_seed(0)
        self.network = network()
        self.seen: list[list[int]] = []
        self._scores, self._before_loss, self._noisy = scores, before_loss, noisy
        self._before_validation = before_validation

    def before_update(self, update: int, length: TrainingLength) -> None:
        assert 0 <= update < length.updates

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        self._before_loss(seed)
        self.seen.append([int(sample) for sample in samples])
        points = np.stack([np.random.default_rng(int(s)).normal(size=3) for s in samples])
        if self._noisy:
            points += 0.1 * np.random.default_rng(seed).normal(size=points.shape)
        target = torch.from_numpy(points.sum(axis=1, keepdims=True)).float()
        return (network(torch.from_numpy(points).float()) - target).square().mean()

    def validate(self, cancel: Cancel) -> dict[str, float]:
        self.network.eval()
        self._before_validation()
        cancel.check()
        return self._scores()


def cpu() -> Fabric:
    return make_fabric(torch.device("cpu"), "32-true")


def run_training(
    folder: Path,
    objective: Line,
    settings: MimRecipe,
    *,
    on_event: OnEvent = lambda event: None,
    cancel: Cancel | None = None,
    resume: bool = False,
    limit: TimeLimit | None = None,
) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    return train(
        objective,
        settings,
        Run(folder),
        Provenance(training={"a": "1"}),
        cpu(),
        on_event,
        cancel or Cancel(),
        resume=resume,
        limit=limit,
    )


def measured(run: Run) -> list[dict[str, str]]:
    """Return the history without the speed, which is the machine's and never the same twice."""
    return [{k: v for k, v in row.items() if k != "slices_a_second"} for row in run.read_history()]


def cancelling_at(update: int, cancel: Cancel) -> OnEvent:
    """Return a listener that asks to stop once an update is done."""

    def listen(event: Event) -> None:
        if isinstance(event, UpdateFinished) and event.update == update:
            cancel.request()

    return listen
