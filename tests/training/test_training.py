"""The training loop: order, schedules, micro-batches, cancelling, resuming, and events."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cmr_ssp.errors import RunError
from cmr_ssp.events import (
    Cancel,
    CheckpointWritten,
    EpochFinished,
    Event,
    Outcome,
    UpdateFinished,
)
from cmr_ssp.recipes import Optimiser, Schedule
from cmr_ssp.runs import Run
from cmr_ssp.training import TrainingLength
from cmr_ssp.training.optimiser import learning_rate, make_optimiser
from cmr_ssp.training.order import batch_order
from cmr_ssp.training.stepper import Stepper
from cmr_ssp.weights import load_checkpoint
from places import HELPERS
from torch import nn
from training_helpers import Line, cancelling_at, cpu, linear, measured, normalised, recipe, run_training

# ---- order and length ---------------------------------------------------------------------------


def test_an_epoch_is_a_shuffle_without_its_incomplete_batch() -> None:
    samples = np.arange(100, 111)
    first, second = (batch_order(samples, 4, epoch, seed=0) for epoch in (0, 1))
    assert first.shape == (2, 4)
    assert len(set(first.ravel())) == 8
    assert set(first.ravel()) < set(samples)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, batch_order(samples, 4, 0, seed=0))
    assert not np.array_equal(first, batch_order(samples, 4, 0, seed=1))


def test_a_complete_epoch_is_a_permutation() -> None:
    assert sorted(batch_order(np.arange(12), 4, 5, seed=3).ravel()) == list(range(12))


def test_fewer_samples_than_a_batch_are_repeated_evenly() -> None:
    (batch,) = batch_order(np.arange(3), 8, 0, seed=0)
    assert sorted(np.bincount(batch)) == [2, 3, 3]


def test_the_loop_sees_every_sample_once_an_epoch(tmp_path: Path) -> None:
    objective = Line(n_samples=9)
    run_training(tmp_path, objective, recipe(epochs=3))
    assert [len(batch) for batch in objective.seen] == [4] * 6
    for epoch in range(3):
        first, second = objective.seen[2 * epoch : 2 * epoch + 2]
        assert len({*first, *second}) == 8


@pytest.mark.parametrize(
    ("settings", "n_samples", "per_epoch", "updates"),
    [
        ({"epochs": 5}, 11, 2, 10),
        ({"epochs": 5}, 3, 1, 5),
        ({"updates": 7}, 11, 2, 7),
        ({"updates": 1}, 100, 25, 1),
    ],
)
def test_length(settings: dict[str, int], n_samples: int, per_epoch: int, updates: int) -> None:
    assert TrainingLength.of(recipe(**settings), n_samples) == TrainingLength(per_epoch, updates)


def test_epochs_end_where_their_last_update_does() -> None:
    length = TrainingLength(3, 7)
    assert [length.epoch(update) for update in range(7)] == [0, 0, 0, 1, 1, 1, 2]
    assert [update for update in range(7) if length.ends_epoch(update)] == [2, 5, 6]


# ---- schedules ----------------------------------------------------------------------------------


def rates_of(schedule: Schedule, length: TrainingLength, peak: float) -> list[float]:
    return [learning_rate(schedule, peak, length.progress(k, schedule.per)) for k in range(length.updates)]


def test_the_polynomial_schedule_falls_once_per_epoch_as_in_the_paper() -> None:
    found = rates_of(Schedule(), TrainingLength(2, 20), peak=0.01)
    expected = [0.01 * (1 - epoch / 10) ** 0.9 for epoch in range(10) for _ in range(2)]
    assert found == pytest.approx(expected)


def test_cosine_by_update() -> None:
    found = rates_of(Schedule(name="cosine", per="update"), TrainingLength(2, 20), peak=0.1)
    assert found == pytest.approx([0.05 * (1 + math.cos(math.pi * k / 20)) for k in range(20)])


def test_the_learning_rate_rises_during_warm_up_and_then_falls() -> None:
    schedule = Schedule(name="cosine", per="update", warmup=0.25)
    found = rates_of(schedule, TrainingLength(1, 40), peak=1.0)
    assert found[1:11] == pytest.approx([k / 10 for k in range(1, 11)])
    assert 0 < found[0] < found[1]
    assert found[10:] == pytest.approx([0.5 * (1 + math.cos(math.pi * k / 30)) for k in range(30)])


def test_the_constant_schedule_and_a_training_of_warm_up_only() -> None:
    assert set(rates_of(Schedule(name="constant"), TrainingLength(1, 5), 0.3)) == {0.3}
    climbing = rates_of(Schedule(warmup=1.0, per="update"), TrainingLength(1, 5), 1.0)
    assert climbing == sorted(climbing)


def test_the_history_holds_the_rates_that_were_used(tmp_path: Path) -> None:
    run_training(tmp_path, Line(n_samples=8), recipe(epochs=3, checkpoint_every=100))
    rates = [float(row["learning_rate"]) for row in Run(tmp_path).read_history()]
    assert rates == pytest.approx([0.05 * (1 - epoch / 3) ** 0.9 for epoch in range(3)])


def test_optimisers_are_those_of_the_recipe() -> None:
    sgd = make_optimiser(linear(), Optimiser(learning_rate=0.2, momentum=0.9, weight_decay=0.1))
    assert isinstance(sgd, torch.optim.SGD)
    expected = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}
    assert {name: sgd.defaults[name] for name in expected} == expected
    adamw = make_optimiser(linear(), Optimiser(name="adamw", learning_rate=0.2, weight_decay=0.1))
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["weight_decay"] == 0.1


# ---- one update ---------------------------------------------------------------------------------


def stepper(objective: Line, **settings: Any) -> Stepper:
    chosen = recipe(**settings)
    return Stepper(objective, chosen, TrainingLength.of(chosen, len(objective.samples)), cpu())


def weights(network: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_micro_batches_add_up_to_the_full_batch() -> None:
    whole, parts = Line(noisy=False), Line(noisy=False)
    losses = []
    for objective, settings in ((whole, {}), (parts, {"micro_batch": 2})):
        step = stepper(objective, **settings)
        losses.append([float(step.step(update, Cancel())) for update in range(4)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for ours, theirs in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert [len(batch) for batch in parts.seen[:2]] == [2, 2]
    assert parts.seen[0] + parts.seen[1] == whole.seen[0]


def test_one_step_is_that_of_plain_torch() -> None:
    objective, plain = Line(noisy=False), linear()
    plain.load_state_dict(objective.network.state_dict())
    optimiser = torch.optim.SGD(plain.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=3e-5)
    objective.loss(plain, batch_order(objective.samples, 4, 0, 0)[0], (0, 0, 0)).backward()
    optimiser.step()
    stepper(objective).step(0, Cancel())
    for ours, theirs in zip(objective.network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_long_gradients_are_clipped() -> None:
    settings = {"name": "sgd", "momentum": 0, "nesterov": False, "weight_decay": 0, "learning_rate": 1.0}
    objective = Line()
    before = weights(objective.network)
    stepper(objective, optimiser=settings | {"max_gradient_norm": 0.01}).step(0, Cancel())
    moved = torch.cat([(a - b).ravel() for a, b in zip(before, weights(objective.network), strict=True)])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("network", [linear, normalised])
def test_cancel_between_micro_batches_changes_nothing(network: Any) -> None:
    cancel = Cancel()

    def stop_after_first(seed: tuple[int, ...]) -> None:
        if seed[-1] == 0:
            cancel.request()

    objective = Line(network=network, before_loss=stop_after_first)
    step = stepper(objective, micro_batch=2)
    before = weights(objective.network)
    assert step.step(0, cancel) is None
    assert len(objective.seen) == 1
    assert same(before, weights(objective.network))
    assert all(parameter.grad is None for parameter in objective.network.parameters())


# ---- resuming -----------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {"updates": 11, "checkpoint_every": 4}
VALIDATIONS = [{"score": 1.0}, {"score": 3.0, "score_LV": 0.5}, {"score": 2.0, "score_LV": 0.25}]


def objective_of(n_samples: int = 13, **others: Any) -> Line:
    return Line(n_samples=n_samples, network=normalised, **others)


def contents(folder: Path) -> dict[str, Any]:
    """Return everything in a run that must be the same after an interruption."""
    run, found = Run(folder), {}
    for path in (run.last, run.best):
        checkpoint = load_checkpoint(path)
        optimiser = checkpoint.optimiser["state"]
        found[path.name] = (
            {name: tensor.numpy().tobytes() for name, tensor in checkpoint.network.items()},
            {
                (k, name): np.asarray(v).tobytes()
                for k, state in optimiser.items()
                for name, v in state.items()
            },
            checkpoint.optimiser["param_groups"],
            checkpoint.tally,
            checkpoint.scores,
        )
    return found | {"history": measured(run)}


@pytest.fixture(scope="module", params=["sgd", "adamw"])
def uninterrupted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = SETTINGS | {"optimiser": {"name": request.param, "learning_rate": 0.05, "momentum": 0.9}}
    folder = tmp_path_factory.mktemp(request.param)
    assert run_training(folder, objective_of(), recipe(**settings)) is Outcome.FINISHED
    return settings, contents(folder)


@pytest.mark.parametrize("update", [1, 3, 4, 7, 10])
def test_a_cancelled_run_continues_bit_for_bit(tmp_path: Path, uninterrupted: Any, update: int) -> None:
    settings, expected = uninterrupted
    cancel = Cancel()
    listen = cancelling_at(update, cancel)
    stopped = run_training(tmp_path, objective_of(), recipe(**settings), on_event=listen, cancel=cancel)
    assert stopped is Outcome.STOPPED
    assert load_checkpoint(Run(tmp_path).last).tally["update"] == update
    assert run_training(tmp_path, objective_of(), recipe(**settings), resume=True) is Outcome.FINISHED
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("update", [2, 5])
def test_a_failed_run_continues_bit_for_bit(tmp_path: Path, uninterrupted: Any, update: int) -> None:
    settings, expected = uninterrupted

    def fail(seed: tuple[int, ...]) -> None:
        if seed[1] == update:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run_training(tmp_path, objective_of(before_loss=fail), recipe(**settings))
    assert load_checkpoint(Run(tmp_path).last).tally["update"] == update // 4 * 4
    run_training(tmp_path, objective_of(), recipe(**settings), resume=True)
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("uninterrupted", ["sgd"], indirect=True)  # starting a process costs seconds
def test_a_killed_process_is_continued_bit_for_bit(tmp_path: Path, uninterrupted: Any) -> None:
    settings, expected = uninterrupted
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from test_training import objective_of\n"
        "from training_helpers import recipe, run_training\n"
        "kill = lambda seed: os._exit(9) if seed[1] == 6 else None\n"
        f"run_training(Path(sys.argv[1]), objective_of(before_loss=kill), recipe(**{settings!r}))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HELPERS), *sys.path])}
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(arguments, env=environment, check=False).returncode == 9
    assert [row["update"] for row in Run(tmp_path).read_history()] == ["3", "4", "6"]
    run_training(tmp_path, objective_of(), recipe(**settings), resume=True)
    assert contents(tmp_path) == expected


def test_validation_that_adds_columns_survives_an_interruption(tmp_path: Path) -> None:
    def validations(start: int) -> Any:
        left = iter(VALIDATIONS[start:])
        return lambda: dict(next(left))

    whole = objective_of(scores=validations(0))
    run_training(tmp_path / "whole", whole, recipe(**SETTINGS))
    cancel = Cancel()
    first = objective_of(scores=validations(0))
    listen = cancelling_at(6, cancel)
    run_training(tmp_path / "parts", first, recipe(**SETTINGS), on_event=listen, cancel=cancel)
    run_training(tmp_path / "parts", objective_of(scores=validations(1)), recipe(**SETTINGS), resume=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    header = list(measured(Run(tmp_path / "whole"))[0])
    assert header == ["epoch", "update", "run", "data", "learning_rate", "loss", "score", "score_LV"]


def test_interrupted_in_the_middle_of_an_update_with_micro_batches(tmp_path: Path) -> None:
    settings = SETTINGS | {"micro_batch": 2}
    run_training(tmp_path / "whole", objective_of(), recipe(**settings))
    cancel = Cancel()

    def stop(seed: tuple[int, ...]) -> None:
        if seed[1:] == (5, 0):
            cancel.request()

    run_training(tmp_path / "parts", objective_of(before_loss=stop), recipe(**settings), cancel=cancel)
    assert load_checkpoint(Run(tmp_path / "parts").last).tally["update"] == 5
    run_training(tmp_path / "parts", objective_of(), recipe(**settings), resume=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("interrupted", [(0,), (1,), (2,), (0, 1, 2, 3)])
def test_interrupted_in_a_validation(tmp_path: Path, interrupted: tuple[int, ...]) -> None:
    """If validations are interrupted, no update is lost and the result is the same."""

    def measured(objective: Line) -> dict[str, float]:
        return {"score": -sum(float(p.sum()) for p in objective.network.parameters())}

    whole = objective_of()
    whole._scores = lambda: measured(whole)
    run_training(tmp_path / "whole", whole, recipe(**SETTINGS))
    begun, outcome = 0, Outcome.STOPPED
    updates = []
    while outcome is Outcome.STOPPED:
        cancel = Cancel()

        def stop(cancel: Cancel = cancel) -> None:
            nonlocal begun
            if begun in interrupted:
                cancel.request()
            begun += 1

        parts = objective_of(before_validation=stop)
        parts._scores = lambda parts=parts: measured(parts)
        resume = (tmp_path / "parts").exists()
        outcome = run_training(tmp_path / "parts", parts, recipe(**SETTINGS), cancel=cancel, resume=resume)
        updates.append(load_checkpoint(Run(tmp_path / "parts").last).tally["update"])
    ends = {(0,): [4, 11], (1,): [8, 11], (2,): [11, 11], (0, 1, 2, 3): [4, 4, 4, 4, 11]}
    assert updates == ends[interrupted]
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_run_stopped_twice_keeps_its_last_scores(tmp_path: Path) -> None:
    for update in (4, 5):
        cancel = Cancel()
        listen = cancelling_at(update, cancel)
        run_training(
            tmp_path,
            objective_of(scores=lambda: {"score": 7.0}),
            recipe(updates=20, checkpoint_every=4),
            on_event=listen,
            cancel=cancel,
            resume=update == 5,
        )
    checkpoint = load_checkpoint(Run(tmp_path).last)
    assert checkpoint.tally["update"] == 5
    assert checkpoint.scores["score"] == 7.0


def test_resuming_a_finished_run_does_nothing(tmp_path: Path) -> None:
    run_training(tmp_path, objective_of(), recipe())
    before, again = contents(tmp_path), objective_of()
    assert run_training(tmp_path, again, recipe(), resume=True) is Outcome.FINISHED
    assert again.seen == []
    assert contents(tmp_path) == before


# ---- checkpoints, history and events ------------------------------------------------------------


def test_the_best_checkpoint_is_that_of_the_highest_first_score(tmp_path: Path) -> None:
    scores = iter([1.0, 3.0, 2.0])
    run_training(
        tmp_path, Line(scores=lambda: {"score": next(scores)}), recipe(updates=6, checkpoint_every=2)
    )
    run = Run(tmp_path)
    assert load_checkpoint(run.best).tally["update"] == 4
    assert load_checkpoint(run.best).scores["score"] == 3.0
    assert load_checkpoint(run.last).tally["update"] == 6


def test_without_validation_the_lowest_loss_is_the_best(tmp_path: Path) -> None:
    run_training(tmp_path, Line(), recipe(updates=8, checkpoint_every=2))
    run = Run(tmp_path)
    by_update = {int(row["update"]): float(row["loss"]) for row in run.read_history()}
    assert load_checkpoint(run.best).scores["loss"] == min(by_update.values())


@pytest.mark.parametrize(
    ("validate_at", "validated"), [("checkpoint", [4, 7]), ("epoch", [2, 4, 6, 7]), ("never", [])]
)
def test_validation_happens_when_the_recipe_says(
    tmp_path: Path, validate_at: str, validated: list[int]
) -> None:
    """Epochs of two updates, a checkpoint every four; the first validation is the best."""
    heard, measured = list[Event](), list[int]()

    def scores() -> dict[str, float]:
        measured.append(len(objective.seen))
        return {"score": -float(measured[-1])}

    objective = Line(n_samples=8, scores=scores)
    settings = {"updates": 7, "checkpoint_every": 4, "validate_at": validate_at}
    run_training(tmp_path, objective, recipe(**settings), on_event=heard.append)
    assert measured == validated
    run = Run(tmp_path)
    rows = {int(row["update"]): row.get("score", "") for row in run.read_history()}
    assert [update for update, score in rows.items() if score] == validated
    saved = [
        event.update for event in heard if isinstance(event, CheckpointWritten) and event.path == run.last
    ]
    assert set(saved) == {0, 4, 7} | {*validated[:1]}
    if validated:
        assert load_checkpoint(run.best).tally["update"] == validated[0]
    else:
        assert load_checkpoint(run.best).tally["best"] is not None  # the loss chose


@pytest.mark.parametrize("validate_at", ["epoch", "never"])
@pytest.mark.parametrize("update", [1, 3, 4, 6, 9])
def test_a_stopped_run_continues_bit_for_bit_wherever_it_validates(
    tmp_path: Path, validate_at: str, update: int
) -> None:
    settings = SETTINGS | {"validate_at": validate_at}

    def objective() -> Line:
        made = objective_of(scores=lambda: {"score": float(next(made.network.parameters()).sum())})
        return made

    run_training(tmp_path / "whole", objective(), recipe(**settings))
    cancel = Cancel()
    listen, parts = cancelling_at(update, cancel), tmp_path / "parts"
    run_training(parts, objective(), recipe(**settings), on_event=listen, cancel=cancel)
    run_training(parts, objective(), recipe(**settings), resume=True)
    assert contents(parts) == contents(tmp_path / "whole")


def test_history_means_are_over_the_updates_since_the_previous_row(tmp_path: Path) -> None:
    heard: list[Event] = []
    run_training(tmp_path, Line(n_samples=8), recipe(updates=5, checkpoint_every=3), on_event=heard.append)
    losses = [event.loss for event in heard if isinstance(event, UpdateFinished)]
    rows = Run(tmp_path).read_history()
    assert [(row["epoch"], row["update"]) for row in rows] == [("1", "2"), ("2", "3"), ("2", "4"), ("3", "5")]
    expected = [sum(losses[:2]) / 2, *losses[2:]]
    assert [float(row["loss"]) for row in rows] == pytest.approx(expected)


def test_events_of_a_training(tmp_path: Path) -> None:
    heard: list[Event] = []
    run_training(tmp_path, Line(n_samples=8), recipe(updates=4, checkpoint_every=4), on_event=heard.append)
    updates = [event for event in heard if isinstance(event, UpdateFinished)]
    assert [(event.update, event.updates) for event in updates] == [(k, 4) for k in (1, 2, 3, 4)]
    written = [event for event in heard if isinstance(event, CheckpointWritten)]
    assert [(event.path.name, event.update) for event in written] == [
        ("last.safetensors", 0),
        ("best.safetensors", 4),
        ("last.safetensors", 4),
    ]
    assert all(event.path.exists() for event in written)
    epochs = [event for event in heard if isinstance(event, EpochFinished)]
    assert [(event.epoch, event.update) for event in epochs] == [(1, 2), (2, 4)]


def test_time_left_is_reported_when_it_is_known(tmp_path: Path) -> None:
    heard: list[Event] = []
    run_training(tmp_path, Line(), recipe(updates=9), on_event=heard.append)
    left = [event.seconds_left for event in heard if isinstance(event, UpdateFinished)]
    assert left[:3] == [None] * 3
    assert left[-1] == 0
    assert left[-2] is not None
    assert left[-2] > 0


def test_a_loss_that_is_not_finite_ends_the_run_with_a_remedy(tmp_path: Path) -> None:
    settings = {"updates": 400, "optimiser": {"learning_rate": 1e30, "momentum": 0.0, "nesterov": False}}
    with pytest.raises(RunError, match=r"learning_rate") as caught:
        run_training(tmp_path, Line(), recipe(**settings))
    assert "loss became" in str(caught.value)
    kept = load_checkpoint(Run(tmp_path).last)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in kept.network.values())
