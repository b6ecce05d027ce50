"""Post-processing repairs what it says it repairs, reports it, and leaves sound hearts alone."""

from __future__ import annotations

import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.function import Change, Step, measure_shapes, tidy
from cmr_ssp.phantoms import make_phantom
from cmr_ssp.regions import largest_part, parts_of

LV, MYO, RV = Structure
SPACING_MM = (8.0, 1.5, 1.0)
ROWS, COLUMNS = np.ogrid[:80, :90]
DISTANCE = np.hypot((ROWS - 40) * 1.5, COLUMNS - 45.0)


def heart() -> np.ndarray:
    """Return a cavity of 15 mm in a wall of 8 mm, in frame 0 and slice 1; the rest is empty."""
    labels = np.zeros((2, 3, 80, 90), np.uint8)
    labels[0, 1][DISTANCE <= 23] = MYO
    labels[0, 1][DISTANCE <= 15] = LV
    labels[0, 1, 30:50, 4:20] = RV
    return labels


def changes(*each: tuple[Step, Structure, int]) -> tuple[Change, ...]:
    return tuple(Change(step, structure, n, 0, 1) for step, structure, n in each)


def test_a_sound_heart_is_left_alone() -> None:
    for labels in (heart(), make_phantom(seed=1, n_frames=4).labels):
        tidied = tidy(labels, SPACING_MM)
        assert tidied.changes == ()
        np.testing.assert_array_equal(tidied.labels, labels)


@pytest.mark.parametrize("structure", Structure)
def test_small_parts_are_removed(structure: Structure) -> None:
    labels = heart()
    labels[0, 1, 2:4, 2:5] = structure
    before = labels.copy()
    tidied = tidy(labels, SPACING_MM)
    np.testing.assert_array_equal(tidied.labels, heart())
    assert tidied.changes == changes((Step.SMALL_PARTS, structure, 6))
    np.testing.assert_array_equal(labels, before, err_msg="the labels passed in were changed")


def test_pixels_that_share_a_corner_belong_together() -> None:
    region = np.eye(3, dtype=bool)
    assert parts_of(region).tolist() == [1, 1, 1] and parts_of(region, diagonals=True).tolist() == [3]
    assert largest_part(region).sum() == 1 and largest_part(region, diagonals=True).sum() == 3


def test_holes_become_what_encloses_them() -> None:
    labels = heart()
    labels[0, 1, 40, 45] = labels[0, 1, 40, 10] = 0  # in the cavity, in the RV
    labels[0, 1, 40, 63:65] = 0  # in the wall
    tidied = tidy(labels, SPACING_MM)
    np.testing.assert_array_equal(tidied.labels, heart())
    assert tidied.changes == changes((Step.HOLES, LV, 1), (Step.HOLES, RV, 1), (Step.HOLES, MYO, 2))


def test_a_gap_between_cavity_and_wall_is_shared_by_both() -> None:
    labels = heart()
    labels[0, 1][(DISTANCE > 13) & (DISTANCE <= 17)] = 0
    tidied = tidy(labels, SPACING_MM).labels
    assert not ((tidied[0, 1] == 0) & (DISTANCE <= 23)).any()
    assert abs(int((tidied == LV).sum()) - int((heart() == LV).sum())) < 60


def test_the_middle_of_a_ring_without_cavity_stays_unknown() -> None:
    labels = heart()
    labels[labels == LV] = 0
    assert tidy(labels, SPACING_MM).changes == ()


def test_a_small_gap_in_the_wall_is_closed() -> None:
    labels = heart()
    labels[0, 1, 38:43, 45:][labels[0, 1, 38:43, 45:] == MYO] = 0
    assert measure_shapes(labels, SPACING_MM).open_share[0, 1] > 0
    tidied = tidy(labels, SPACING_MM)
    (change,) = tidied.changes
    assert (change.step, change.structure) == (Step.GAPS, MYO) and "gained" in change.sentence
    assert measure_shapes(tidied.labels, SPACING_MM).open_share[0, 1] == 0
    wrong = tidied.labels != heart()
    assert wrong.sum() < change.pixels and not (wrong & (tidied.labels == MYO)).any(), (
        "thinner, never thicker"
    )


def test_a_wall_broken_in_two_is_closed_before_the_smaller_half_is_taken_for_a_part() -> None:
    labels = heart()
    band = labels[0, 1, 38:43]
    band[band == MYO] = 0
    tidied = tidy(labels, SPACING_MM)
    assert [change.step for change in tidied.changes] == [Step.GAPS]
    assert (tidied.labels == MYO).sum() > 0.93 * (heart() == MYO).sum()


def test_a_wide_gap_and_an_rv_at_the_cavity_are_left_to_the_reader() -> None:
    half, touching = heart(), heart()
    half[0, 1, 40:][half[0, 1, 40:] == MYO] = 0
    touching[0, 1, 38:43, :45][touching[0, 1, 38:43, :45] == MYO] = RV
    touching[0, 1, 38:43, 18:24] = RV
    for labels in (half, touching):
        assert not [change for change in tidy(labels, SPACING_MM).changes if change.step is Step.GAPS]


@pytest.mark.parametrize("step", Step)
def test_each_step_can_be_left_out(step: Step) -> None:
    labels = heart()
    labels[0, 1, 2:4, 2:5] = LV
    labels[0, 1, 40, 45] = 0
    labels[0, 1, 38:43, 62:75][labels[0, 1, 38:43, 62:75] == MYO] = 0
    labels[0, 1, 38:43, 58:63][labels[0, 1, 38:43, 58:63] == MYO] = 0
    alone = tidy(labels, SPACING_MM, frozenset({step}))
    assert {change.step for change in alone.changes} == {step}
    rest = tidy(labels, SPACING_MM, frozenset(Step) - {step})
    assert {change.step for change in rest.changes} == set(Step) - {step}
    assert tidy(labels, SPACING_MM, frozenset()).changes == ()
