"""Statistics against values computed by hand and by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, SubjectRole
from cmr_ssp.experiments.statistics import (
    bootstrap_interval,
    failure_percent,
    holm,
    paired_test,
    rank_biserial,
    spread,
    subject_dice,
)
from scipy import stats


def score(subject: str, structure: Structure, dice: float | None, phase: Phase = Phase.ED) -> Score:
    return Score(subject, phase, structure, dice, SubjectRole.TEST)


def test_spread_is_that_of_a_sample() -> None:
    found = spread([0.80, 0.82, 0.87, None])
    assert found is not None
    assert (found.mean, found.n) == (pytest.approx(0.83), 3)
    assert found.sd == pytest.approx(np.sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2))
    alone = spread([0.8])
    assert alone is not None and alone.sd is None
    assert spread([None]) is None


def test_dice_of_a_subject_is_averaged_over_structures_then_seeds() -> None:
    first = [score("a", Structure.LV, 0.9), score("a", Structure.RV, 0.7), score("b", Structure.LV, 0.5)]
    second = [score("a", Structure.LV, 1.0), score("a", Structure.RV, None)]
    assert subject_dice([first, second]) == {"a": pytest.approx((0.8 + 1.0) / 2)}  # b has one seed
    assert subject_dice([first], [Structure.RV]) == {"a": pytest.approx(0.7)}


def test_failures_are_below_the_limit() -> None:
    scores = [score("a", s, d) for s, d in zip(Structure, (0.7, 0.69, None), strict=True)]
    assert failure_percent(scores) == 50
    assert failure_percent(scores[2:]) is None


def test_paired_test_is_that_of_scipy() -> None:
    draw = np.random.default_rng(3)
    first = {str(n): value for n, value in enumerate(draw.normal(0.85, 0.05, 20))}
    second = {name: value - draw.normal(0.01, 0.02) for name, value in first.items()} | {"other": 0.1}
    found = paired_test(first, second)
    assert found is not None and found.n == 20
    pairs = [first[name] for name in sorted(first)], [second[name] for name in sorted(first)]
    assert found.p == pytest.approx(stats.wilcoxon(*pairs).pvalue)
    assert found.difference == pytest.approx(np.subtract(*pairs).mean())
    assert found.interval[0] < found.difference < found.interval[1]
    back = paired_test(second, first)
    assert back is not None and back.effect == -found.effect
    assert paired_test(first, {"other": 0.1}) is None


def test_equal_values_are_no_difference() -> None:
    values = {"a": 0.1 + 0.2, "b": 0.8, "c": 0.7}
    found = paired_test(values, values | {"a": 0.3})  # differs in the last bit
    assert found is not None
    assert (found.p, found.effect, found.interval) == (1.0, 0.0, (0.0, 0.0))


def test_rank_biserial_by_hand() -> None:
    # ranks of 1, 2, 3, 4: 1 is negative, 0 is left out
    assert rank_biserial([-1, 2, 3, 4, 0]) == pytest.approx((9 - 1) / 10)
    assert rank_biserial([5, 6]) == 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_bootstrap_is_that_of_scipy_and_the_same_each_time() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.05, 40)
    ours = bootstrap_interval(values)
    assert ours == bootstrap_interval(values)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-3)
