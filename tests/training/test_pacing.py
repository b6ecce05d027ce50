"""Training under a time limit at any speed of the machine, with a simulated clock."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from cmr_ssp.events import Cancel, Event, Noticed, Outcome, UpdateFinished
from cmr_ssp.recipes import load_recipe
from cmr_ssp.runs import Run
from cmr_ssp.training import TimeLimit, TrainingLength, pacing
from cmr_ssp.weights import load_checkpoint
from training_helpers import Line, cancelling_at, linear, recipe, run_training

MANY = {"updates": 10**6, "checkpoint_every": 50}


class Clock:
    """Replaces the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now

    def limit(self, seconds: float) -> TimeLimit:
        """Return a limit that starts now."""
        return TimeLimit(self.now, seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(pacing, "time", stopped)
    return stopped


def slow_line(
    clock: Clock, seconds: Callable[[float], float], validation: float = 0.0, n_samples: int = 100
) -> Line:
    """Return an objective whose updates take `seconds(time)` and whose validations check often."""

    def update(seed: tuple[int, ...]) -> None:
        clock.now += seconds(clock.now - 1000)

    objective = Line(n_samples, linear, before_loss=update)

    def validate(cancel: Cancel) -> dict[str, float]:
        for _ in range(10):
            cancel.check()
            clock.now += validation / 10
        return {"validation_dice": 0.5} if validation else {}

    objective.validate = validate  # type: ignore[method-assign]
    return objective


def trained(folder: Path, objective: Line, limit: TimeLimit | None, **changes: object) -> list[Event]:
    heard: list[Event] = []
    run_training(folder, objective, recipe(**MANY | changes), on_event=heard.append, limit=limit)
    return heard


@pytest.mark.parametrize("first", [10**6, 1, 100], ids=["far too many", "one", "some"])
@pytest.mark.parametrize(
    ("limit", "step", "validation"),
    [
        (60, 0.2, 0.0),
        (60, 0.2, 3.0),
        (60, 2.0, 2.0),
        (60, 7.0, 5.0),
        (600, 1.0, 20.0),
        (3600, 9.0, 100.0),
        (10, 0.02, 0.5),
    ],
)
def test_a_training_ends_in_time(
    clock: Clock, tmp_path: Path, limit: float, step: float, validation: float, first: int
) -> None:
    objective = slow_line(clock, lambda now: step, validation)
    trained(tmp_path, objective, clock.limit(limit), updates=first)
    assert 0.9 * limit - step < clock.now - 1000 <= 1.1 * limit
    kept = load_checkpoint(Run(tmp_path).last)
    assert kept.tally["update"] == kept.recipe.updates == len(objective.seen)
    assert load_recipe(tmp_path / "recipe.yaml").updates == kept.recipe.updates
    assert ("validation_dice" in kept.scores) == bool(validation)


@pytest.mark.parametrize(
    "seconds",
    [
        lambda now: 0.5 if now < 150 else 2.0,
        lambda now: 2.0 if now < 150 else 0.4,
        lambda now: 0.5 if now < 285 else 2.0,
        lambda now: 7.0 if now < 30 else 0.4,
        lambda now: 60.0 if 100 < now < 110 else 0.6,
        lambda now: 0.4 + 1.6 * (round(now * 10) % 7 == 0),
    ],
    ids=["slower", "faster", "slower at the end", "slow to start", "a pause", "uneven"],
)
def test_a_training_ends_in_time_when_the_machine_changes(
    clock: Clock, tmp_path: Path, seconds: Callable[[float], float]
) -> None:
    trained(tmp_path, slow_line(clock, seconds, 4.0), clock.limit(300))
    assert 270 < clock.now - 1000 < 330


@pytest.mark.parametrize(("validate_at", "validated"), [("epoch", True), ("never", False)])
def test_a_training_ends_in_time_wherever_it_validates(
    clock: Clock, tmp_path: Path, validate_at: str, validated: bool
) -> None:
    """Epochs of 25 updates, a checkpoint every 50: validations take two fifths of the time, or none."""
    objective = slow_line(clock, lambda now: 0.3, 5.0)
    trained(tmp_path, objective, clock.limit(300), validate_at=validate_at)
    assert 270 < clock.now - 1000 < 330
    rows = Run(tmp_path).read_history()
    assert any(row.get("validation_dice") for row in rows) == validated


def test_the_schedule_follows_the_plan(clock: Clock, tmp_path: Path) -> None:
    objective = slow_line(clock, lambda now: 0.2 if now < 30 else 0.6, n_samples=8)
    schedule = {"name": "polynomial", "power": 1.0, "per": "epoch"}
    trained(tmp_path, objective, clock.limit(60), schedule=schedule, checkpoint_every=10**6)
    rows = Run(tmp_path).read_history()
    rates = [float(row["learning_rate"]) / 0.05 for row in rows]
    assert rates == sorted(rates, reverse=True) and rates[-1] < 0.03
    updates = [int(row["update"]) for row in rows]
    at_30_seconds = rates[updates.index(150)]
    assert at_30_seconds == pytest.approx(0.5, abs=0.05)
    steps = [before - after for before, after in pairwise(rates)]
    assert max(steps) < 0.05


def test_the_plan_rarely_changes_on_a_steady_machine(clock: Clock, tmp_path: Path) -> None:
    heard = trained(tmp_path, slow_line(clock, lambda now: 0.1), clock.limit(120))
    plans = [event.updates for event in heard if isinstance(event, UpdateFinished)]
    assert len(set(plans[6:])) <= 3
    left = [event.seconds_left for event in heard if isinstance(event, UpdateFinished)]
    assert left[600] == pytest.approx(60, abs=6)


def test_a_new_plan_continues_from_the_progress_of_the_previous_one() -> None:
    length = TrainingLength(2, 100).replan(0, 100)
    assert [length.progress(update, per) for per in ("epoch", "update") for update in (0, 25)] == [
        0,
        0.25,
    ] * 2
    shorter = length.replan(50, 60)
    assert [shorter.progress(update) for update in (50, 55, 60)] == pytest.approx([0.5, 0.75, 1])
    assert shorter.replan(55, 60) is shorter
    ended = shorter.replan(55, 55)
    longer = shorter.replan(60, 70)
    assert 0.9 < longer.progress(60) < longer.progress(69) < 1
    assert ended.progress(55) == 0.75 and 0 <= ended.progress(54) <= 0.75


def test_each_share_of_a_planned_training_ends_once() -> None:
    length = TrainingLength(2, 100).replan(0, 100)
    assert sum(length.ends_share(update, 20) for update in range(1, 101)) == 20
    assert [update for update in range(12) if TrainingLength(2, 45).ends_share(update, 20)] == [0, 3, 6, 9]


# ---- stopping and going on ----------------------------------------------------------------------


def stopped_at(folder: Path, clock: Clock, update: int) -> Path:
    cancel = Cancel()
    outcome = run_training(
        folder,
        slow_line(clock, lambda now: 0.5, 1.0),
        recipe(**MANY),
        on_event=cancelling_at(update, cancel),
        cancel=cancel,
        limit=clock.limit(60),
    )
    assert outcome is Outcome.STOPPED
    return folder


def test_a_resumed_run_keeps_its_plan(clock: Clock, tmp_path: Path) -> None:
    stopped_at(tmp_path / "a", clock, 60)
    planned = load_checkpoint(Run(tmp_path / "a").last)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for name, step in (("a", 0.1), ("b", 9.0)):
        resumed = slow_line(clock, lambda now, step=step: step, 1.0)  # type: ignore[misc]
        run_training(tmp_path / name, resumed, planned.recipe, resume=True)
        kept = load_checkpoint(Run(tmp_path / name).last)
        assert kept.tally["update"] == kept.recipe.updates == planned.recipe.updates
    files = [(tmp_path / name / "last.safetensors").read_bytes() for name in "ab"]
    assert files[0] == files[1]
    rates = [float(row["learning_rate"]) for row in Run(tmp_path / "a").read_history()]
    assert rates == sorted(rates, reverse=True)


def test_a_resumed_run_can_get_another_limit(clock: Clock, tmp_path: Path) -> None:
    stopped_at(tmp_path, clock, 60)
    begun, planned = clock.now, load_checkpoint(Run(tmp_path).last).recipe
    limit = clock.limit(120)
    run_training(tmp_path, slow_line(clock, lambda now: 0.2, 1.0), planned, resume=True, limit=limit)
    assert 108 < clock.now - begun < 132
    kept = load_checkpoint(Run(tmp_path).last)
    assert kept.tally["update"] == kept.recipe.updates > 500


def test_a_finished_run_stays_finished(clock: Clock, tmp_path: Path) -> None:
    trained(tmp_path, slow_line(clock, lambda now: 1.0), clock.limit(20))
    before = (tmp_path / "last.safetensors").read_bytes()
    again = slow_line(clock, lambda now: 1.0)
    run_training(
        tmp_path, again, load_checkpoint(Run(tmp_path).last).recipe, resume=True, limit=clock.limit(60)
    )
    assert not again.seen and (tmp_path / "last.safetensors").read_bytes() == before


# ---- too little time ----------------------------------------------------------------------------


def test_a_validation_that_takes_too_long_is_omitted(clock: Clock, tmp_path: Path) -> None:
    heard = trained(tmp_path, slow_line(clock, lambda now: 0.5, 500.0), clock.limit(600))
    (notice,) = [event.problem for event in heard if isinstance(event, Noticed)]
    assert "too long for the time limit" in notice.what
    assert 540 < clock.now - 1000 < 660
    assert Run(tmp_path).best.exists()


def test_a_validation_that_gets_slower_is_stopped(clock: Clock, tmp_path: Path) -> None:
    objective = slow_line(clock, lambda now: 0.5, 1.0)
    quick, slow = objective.validate, slow_line(clock, lambda now: 0.5, 900.0).validate
    objective.validate = lambda cancel: (quick if clock.now < 1500 else slow)(cancel)  # type: ignore[method-assign]
    trained(tmp_path, objective, clock.limit(600))
    assert clock.now - 1000 < 760  # a tenth of the validation is the least that can be cut
    assert load_checkpoint(Run(tmp_path).best).scores["validation_dice"] == 0.5


def test_without_time_there_is_one_update(clock: Clock, tmp_path: Path) -> None:
    objective = slow_line(clock, lambda now: 0.5, 500.0)
    trained(tmp_path, objective, clock.limit(-1.0))
    assert len(objective.seen) == 1 and clock.now - 1000 < 1
    assert load_checkpoint(Run(tmp_path).last).recipe.updates == 1


def test_stopping_during_the_trial_validation(clock: Clock, tmp_path: Path) -> None:
    cancel, objective = Cancel(), slow_line(clock, lambda now: 0.5, 1.0)

    def validate(within: Cancel) -> dict[str, float]:
        cancel.request()
        within.check()
        raise AssertionError

    objective.validate = validate  # type: ignore[method-assign]
    outcome = run_training(tmp_path, objective, recipe(**MANY), cancel=cancel, limit=clock.limit(60))
    assert outcome is Outcome.STOPPED and not objective.seen
