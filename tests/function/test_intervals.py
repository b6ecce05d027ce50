"""Conformal intervals: rank, coverage on drawn subjects, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cmr_ssp.errors import ScoreError
from cmr_ssp.evaluation import ResultMetadata, SubjectRole
from cmr_ssp.function.comparing import Comparison, Conditions, Quantity
from cmr_ssp.function.intervals import Calibration, calibrate

ACQUIRED = Conditions("Siemens", (8.0, 1.4, 1.4), 60.0)


def subjects(
    n: int, quantity: Quantity = Quantity.LV_EF, seed: int = 0, role: SubjectRole = SubjectRole.TEST
) -> list[Comparison]:
    random = np.random.default_rng(seed)
    reference = random.uniform(20, 70, n)
    predicted = reference + 3 * random.standard_normal(n)
    metadata = ResultMetadata.of((8.0, 1.4, 1.4))
    return [
        Comparison(f"{n}-{k}", quantity, float(p), float(r), role, "Siemens", 60.0, metadata)
        for k, (p, r) in enumerate(zip(predicted, reference, strict=True))
    ]


def test_the_rank_is_that_of_a_finite_sample() -> None:
    rows = [replace(row, predicted=50.0 + k, reference=50.0) for k, row in enumerate(subjects(29))]
    calibration = Calibration.of(rows, Quantity.LV_EF)
    assert calibration.width(0.9) == 26  # the 27th of 29: ceil(30 * 0.9)
    interval = calibration.interval(60.0, ACQUIRED)
    assert (interval.low, interval.high, interval.n) == (34, 86, 29)
    assert (
        interval.validated and interval.sentence == "LV EF 60 %, 90% interval 34 to 86 %, from 29 subjects."
    )
    assert (calibration.interval(10, ACQUIRED).low, calibration.interval(90, ACQUIRED).high) == (0, 100)


def test_an_interval_stays_within_what_is_possible() -> None:
    rows = [replace(row, predicted=100.0, reference=110.0) for row in subjects(20, Quantity.LV_SV)]
    calibration = Calibration.of(rows, Quantity.LV_SV)
    for value, ends in ((200.0, (190, 210)), (4.0, (0, 14)), (-20.0, (0, 0))):
        interval = calibration.interval(value, ACQUIRED)
        assert (interval.low, interval.high) == pytest.approx(ends)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_new_subjects_are_covered_as_often_as_stated(level: float) -> None:
    covered = []
    for seed in range(400):
        *rows, new = subjects(26, seed=seed)
        interval = Calibration.of(rows, Quantity.LV_EF).interval(new.predicted or 0, ACQUIRED, level)
        covered.append(interval.low <= new.reference <= interval.high)
    assert level - 0.04 <= np.mean(covered) <= level + 0.07  # rank and 400 draws


def test_only_unseen_subjects_calibrate_and_fewer_than_twenty_are_refused() -> None:
    rows = subjects(19) + subjects(30, role=SubjectRole.TRAINED_ON) + subjects(21, Quantity.LV_EDV)
    with pytest.raises(ScoreError, match="LV EF: 19 unseen subjects"):
        Calibration.of(rows, Quantity.LV_EF)
    found, problems = calibrate(rows)
    assert list(found) == [Quantity.LV_EDV] and "LV EF" in problems[0].where
    rows += [replace(subjects(1)[0], role=SubjectRole.POOL)]
    calibration = Calibration.of(rows, Quantity.LV_EF)
    with pytest.raises(ScoreError, match="no interval of 99%"):
        calibration.width(0.99)


def test_a_failed_measurement_is_the_largest_error() -> None:
    rows = [replace(row, predicted=None) if k < 2 else row for k, row in enumerate(subjects(20))]
    calibration = Calibration.of(rows, Quantity.LV_EF)
    assert calibration.width(0.8) < 10
    with pytest.raises(ScoreError, match="no interval of 95%"):
        calibration.width(0.95)


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (replace(ACQUIRED, vendor="GE"), "no calibration subject was scanned with GE"),
        (replace(ACQUIRED, spacing_mm=(10.0, 1.4, 1.4)), "the slice spacing is 10 mm"),
        (replace(ACQUIRED, spacing_mm=(8.0, 1.4, 1.9)), "the pixel spacing is 1.9 mm"),
        (replace(ACQUIRED, heart_rate_bpm=110), "the heart rate is 110 per minute"),
    ],
)
def test_another_kind_of_cine_is_said_not_to_be_validated(conditions: Conditions, said: str) -> None:
    interval = Calibration.of(subjects(20), Quantity.LV_EF).interval(50, conditions)
    assert not interval.validated
    assert "not validated here" in interval.sentence and said in interval.sentence


def test_what_is_not_known_is_said_to_be_unchecked() -> None:
    interval = Calibration.of(subjects(20), Quantity.LV_EF).interval(
        50, Conditions(None, (8, 1.4, 1.4), None)
    )
    assert interval.validated and interval.unchecked == ("vendor", "heart rate")
    assert interval.sentence.endswith("(not compared: vendor, heart rate).")
