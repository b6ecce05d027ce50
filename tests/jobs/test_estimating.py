"""Estimates of memory and time, and warnings and errors if there is not enough memory."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.errors import DeviceError, Problem
from cmr_ssp.events import JobEnded, Noticed, RunStarted, UpdateFinished
from cmr_ssp.files import open_cohort
from cmr_ssp.jobs import estimating
from cmr_ssp.jobs.estimating import estimate_memory, fitting_settings, micro_batch_size
from cmr_ssp.networks import UNet
from cmr_ssp.recipes import Optimiser, Recipe, SegmentationRecipe, load_recipe, parse_recipe
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort
from cmr_ssp.training import MemoryNeed
from cmr_ssp.training.memory import memory_need
from cohort_helpers import write_beating_cohort
from torch import nn
from training_helpers import recipe as mim

CPU = torch.device("cpu")
MIB = 2**20


def of(method: str, **changes: Any) -> Recipe:
    tree = mim().model_dump() | {"method": method} | changes
    del tree["mask"], tree["records_every"]
    return parse_recipe(
        {**tree, **({"head": {"hidden": 8, "outputs": 4}} if method == "simclr" else {})}, "test"
    )


def test_kept_tensors_are_counted_exactly() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.01, inplace=True)
    )
    settings = mim().optimiser.model_copy(update={"name": "adamw"})
    need = memory_need(network, lambda n: torch.zeros(n, 1, 16, 16), settings, CPU, "32-true")
    pixels = 16 * 16 * 4
    # the image, the convolution's output for the norm, the norm's output; two of the largest in passing
    assert need.slice_bytes == pixels * (1 + 8 + 8) + 2 * 8 * pixels
    weights = sum(p.nbytes for p in network.parameters())
    assert need.of(0) - 64 * MIB - 4 * weights in range(1024)  # buffers and the norm's statistics


def test_what_was_measured_is_let_go() -> None:
    def measure() -> None:
        network = UNet((4, 8), 4, deep_supervision=False)
        memory_need(network, lambda n: torch.zeros(n, 1, 16, 16), Optimiser(), CPU, "32-true")

    def n_tensors() -> int:
        gc.collect()
        return sum(isinstance(each, torch.Tensor) for each in gc.get_objects())

    measure()
    before = n_tensors()
    for _ in range(3):
        measure()
    assert n_tensors() <= before


@pytest.mark.parametrize(
    "name", ["mim/cpu-small", "simclr/cpu-small", "dino/cpu-small", "finetune/cpu-small"]
)
def test_an_estimate_keeps_the_random_state_and_depends_on_the_precision(name: str) -> None:
    # stated, since `auto` is single precision on a processor without bfloat16
    recipe = load_recipe(name).model_copy(update={"precision": "bf16-mixed"})
    before = torch.get_rng_state()
    need = estimate_memory(recipe, CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert 100 * MIB < need.of(micro_batch_size(recipe)) < 300 * MIB  # 180 to 250 were measured
    single = estimate_memory(recipe.model_copy(update={"precision": "32-true"}), CPU)
    assert single.slice_bytes >= need.slice_bytes


def test_fitting_settings_are_divisors_and_at_most_half() -> None:
    need, recipe = MemoryNeed(100, 10), mim(batch_size=24)
    assert fitting_settings(recipe, need, 200) == {"micro_batch": 8}  # 0.9 * 200 holds 8
    assert fitting_settings(recipe, need, 190) == {"micro_batch": 6}
    assert fitting_settings(recipe, need, 10**9) == {"micro_batch": 12}  # the estimate was wrong
    assert fitting_settings(recipe, need, None) == fitting_settings(recipe, None, 5) == {"micro_batch": 12}
    assert fitting_settings(recipe, need, 100) == fitting_settings(mim(batch_size=1), need, 10**9) == {}
    assert fitting_settings(of("simclr", batch_size=8), need, 200) == {"batch_size": 4}
    assert fitting_settings(of("simclr", batch_size=8, micro_batch=8), need, 200) == {
        "batch_size": 4,
        "micro_batch": 4,
    }
    assert fitting_settings(of("simclr", batch_size=3), need, 10**9) == {}  # one slice alone has no other


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abc"))


def exhausted(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def train(cohort: Cohort, recipe: Recipe, folder: Path, told: list[Any], **settings: Any) -> None:
    work: Callable[..., Any] = jobs.finetune if isinstance(recipe, SegmentationRecipe) else jobs.pretrain
    work(
        cohort,
        recipe,
        Run(folder / "run"),
        settings=jobs.JobSettings("cpu", **settings),
        on_event=told.append,
    )


@pytest.mark.parametrize(
    ("recipe", "setting"),
    [
        (mim(), {"micro_batch": 2}),
        (mim(micro_batch=2), {"micro_batch": 1}),
        (of("simclr"), {"batch_size": 2}),
        (of("scratch"), {"micro_batch": 2}),
        (mim(batch_size=1), {}),
    ],
    ids=["mim", "mim again", "simclr", "scratch", "nothing smaller"],
)
@pytest.mark.parametrize("minutes", [None, 1.0])
def test_running_out_of_memory_suggests_fitting_settings(
    cohort: Cohort,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recipe: Recipe,
    setting: dict[str, int],
    minutes: float | None,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("cmr_ssp.training.stepper.Stepper.step", exhausted)
    with pytest.raises(DeviceError) as caught:
        train(cohort, recipe, tmp_path, told, max_minutes=minutes)
    (problem,) = caught.value.problems
    assert problem.suggestion == setting and told[-1] == JobEnded(told[-1].outcome, (problem,))
    for key, value in setting.items():
        assert f"--set {key}={value}" in problem.remedy
    assert setting or "smaller preset" in problem.remedy
    monkeypatch.undo()
    changed = type(recipe).model_validate(recipe.model_dump() | setting)
    train(cohort, changed, tmp_path / "again", told)
    assert told[-1].problems == ()


def shortages(told: list[Any]) -> list[Problem]:
    notices = (event.problem for event in told if isinstance(event, Noticed))
    return [problem for problem in notices if "may need" in problem.what]


def test_the_memory_need_is_reported_with_a_warning_if_it_may_not_fit(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    train(cohort, mim(), tmp_path / "large", told)
    (started,) = [event for event in told if isinstance(event, RunStarted)]
    need = estimate_memory(mim(), CPU)
    assert started.memory_bytes == need.of(4) and not shortages(told)
    assert 0 < started.seconds < 60
    monkeypatch.setattr(estimating, "free_memory", lambda device: int((need.of(2) + 1000) / 0.9))
    train(cohort, mim(batch_size=400), tmp_path / "small", told)
    (problem,) = shortages(told)
    assert problem.suggestion == {"micro_batch": 2} and "--set micro_batch=2" in problem.remedy


@pytest.mark.parametrize("bfloat16", [True, False])
def test_a_processor_without_bfloat16_causes_a_warning(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bfloat16: bool
) -> None:
    monkeypatch.setattr("cmr_ssp.devices._has_bfloat16", lambda device: bfloat16)
    told: list[Any] = []
    train(cohort, mim(precision="auto"), tmp_path, told)
    found = [
        place
        for place, event in enumerate(told)
        if isinstance(event, Noticed) and "1.7 to 2 times" in event.problem.what
    ]
    assert len(found) == (not bfloat16)
    kinds = [type(event) for event in told]
    start = kinds.index(RunStarted)
    assert told[start].precision == ("bf16-mixed" if bfloat16 else "32-true")
    assert all(start < place < kinds.index(UpdateFinished) for place in found)
