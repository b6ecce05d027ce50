from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import (
    SCORE_COLUMNS,
    Score,
    SubjectRole,
    dice,
    mean_dice,
    score_segmentation,
    scores_csv,
)
from cmr_ssp.subjects import Segmentation

EVERYTHING = frozenset(Structure)


def volume(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint8).reshape(1, 1, -1)


def slow_dice(prediction: np.ndarray, reference: np.ndarray, structure: int) -> float:
    both = found = drawn = 0
    for p, r in zip(prediction.ravel(), reference.ravel(), strict=True):
        found += p == structure
        drawn += r == structure
        both += p == structure and r == structure
    return 2 * both / (found + drawn)


def test_agrees_with_counting_voxels() -> None:
    rng = np.random.default_rng(0)
    prediction, reference = rng.integers(0, 4, (2, 5, 8, 9)).astype(np.uint8)
    for structure in Structure:
        assert dice(prediction, reference, structure) == pytest.approx(
            slow_dice(prediction, reference, structure), abs=1e-12
        )
        assert dice(reference, reference, structure) == 1.0


def test_by_hand() -> None:
    assert dice(volume(1, 1, 2, 0), volume(1, 0, 2, 2), Structure.LV) == pytest.approx(2 / 3)
    assert dice(volume(1, 1, 2, 0), volume(1, 0, 2, 2), Structure.MYO) == pytest.approx(2 / 3)
    assert dice(volume(1, 1, 0, 0), volume(0, 0, 1, 1), Structure.LV) == 0.0


def test_volumes_count_as_a_whole_and_not_slice_by_slice() -> None:
    prediction = np.array([[[1, 1, 1, 1]], [[0, 0, 0, 1]]], np.uint8)
    reference = np.array([[[1, 1, 1, 1]], [[0, 0, 0, 0]]], np.uint8)
    assert dice(prediction, reference, Structure.LV) == pytest.approx(8 / 9)


def test_absent_from_both_is_one_and_from_one_zero() -> None:
    assert dice(volume(0, 1), volume(0, 1), Structure.RV) == 1.0
    assert dice(volume(0, 3), volume(0, 1), Structure.RV) == 0.0
    assert dice(volume(0, 1), volume(0, 3), Structure.RV) == 0.0


def test_large_volumes_do_not_overflow() -> None:
    full = np.full((4, 300, 300), 2, np.uint8)
    assert dice(full, full, Structure.MYO) == 1.0


def test_structures_that_are_not_labelled_have_no_score() -> None:
    reference = Segmentation(volume(1, 2, 0), 0, frozenset({Structure.LV, Structure.MYO}))
    scores = score_segmentation(volume(1, 2, 3), reference, "a", Phase.ED, SubjectRole.TEST)
    assert [(s.structure, s.dice) for s in scores] == [
        (Structure.LV, 1.0),
        (Structure.MYO, 1.0),
        (Structure.RV, None),
    ]
    assert mean_dice(scores) == 1.0


def table() -> list[Score]:
    return [
        Score("a", Phase.ED, Structure.LV, 0.9, SubjectRole.TEST),
        Score("a", Phase.ES, Structure.LV, 0.8, SubjectRole.TEST),
        Score("b", Phase.ED, Structure.MYO, 0.4, SubjectRole.TRAINED_ON),
        Score("b", Phase.ED, Structure.RV, None, SubjectRole.TRAINED_ON),
    ]


def test_means_omit_missing_scores() -> None:
    scores = table()
    assert mean_dice(scores) == pytest.approx(0.7)
    assert mean_dice(scores, [Structure.LV]) == pytest.approx(0.85)
    assert mean_dice(scores, phases=[Phase.ED]) == pytest.approx(0.65)
    assert mean_dice(scores, [Structure.RV]) is None
    assert mean_dice([]) is None


def test_csv_has_a_row_for_each_score() -> None:
    rows = list(csv.DictReader(io.StringIO(scores_csv(table()))))
    first = {"subject": "a", "phase": "ED", "structure": "LV", "dice": "0.9000", "role": "test"}
    assert rows[0] == dict.fromkeys(SCORE_COLUMNS, "") | first
    assert rows[3]["dice"] == "n/a" and rows[3]["role"] == "trained on"
    assert len(rows) == 4
