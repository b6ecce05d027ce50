"""Shapes are compared with what geometry says of discs and ellipses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cmr_ssp.editing.shapes import between, grown, signed_distance, smoothed, swept_disc
from cmr_ssp.regions import tidied

SHAPE = (120, 100)
OBLONG_MM = (1.5, 1.0)


def disc(radius_mm: float, centre: tuple[float, float] = (60.2, 50.7), spacing_mm=OBLONG_MM) -> np.ndarray:
    return swept_disc(SHAPE, centre, centre, radius_mm, spacing_mm)


def area_mm2(region: np.ndarray, spacing_mm=OBLONG_MM) -> float:
    return float(region.sum() * spacing_mm[0] * spacing_mm[1])


@pytest.mark.parametrize("radius_mm", [15.0, 22.5, 30.0])
def test_a_disc_has_the_area_of_a_circle_within_one_percent(radius_mm: float) -> None:
    assert area_mm2(disc(radius_mm)) == pytest.approx(math.pi * radius_mm**2, rel=0.01)


def test_a_fast_stroke_leaves_no_gap() -> None:
    way = swept_disc(SHAPE, (20.3, 20.3), (20.3, 80.3), 5.0, (1.0, 1.0))
    assert way[16:25, 20:81].all() and not way[15].any()
    assert way.sum() == pytest.approx(60 * 10 + math.pi * 25, rel=0.06)


def test_a_disc_outside_the_image_is_empty_and_one_at_its_edge_is_cut() -> None:
    assert not disc(10.0, (-40, -40)).any()
    assert 0 < area_mm2(disc(10.0, (0, 0))) < math.pi * 100 / 3


def test_distances_are_in_mm_and_negative_inside() -> None:
    distance = signed_distance(disc(20.0), OBLONG_MM)
    assert distance[60, 51] == pytest.approx(-20, abs=1.2)
    assert distance[60, 90] == pytest.approx(39.3 - 20, abs=1.2)
    assert np.isinf(signed_distance(np.zeros(SHAPE, bool), OBLONG_MM)).all()


@pytest.mark.parametrize("by_mm", [2.0, -2.0])
def test_growing_moves_the_border_by_so_many_mm(by_mm: float) -> None:
    moved = grown(disc(20.0), by_mm, OBLONG_MM)
    radius = math.sqrt(area_mm2(moved) / math.pi)
    assert radius == pytest.approx(20 + by_mm, abs=0.5)


@pytest.mark.parametrize("by_mm", [1.0, -1.0])
def test_growing_by_one_mm_changes_coarse_images_too(by_mm: float) -> None:
    coarse = (2.6, 2.6)
    before = disc(25.0, spacing_mm=coarse)
    after = grown(before, by_mm, coarse)
    assert (after.sum() > before.sum()) if by_mm > 0 else (after.sum() < before.sum())
    assert after.any()


def test_smoothing_removes_a_notch_and_keeps_the_area() -> None:
    notched = disc(20.0)
    notched[58:63, 65:72] = False
    notched[30:40, 50] = True
    smooth = smoothed(notched, 3.0, OBLONG_MM)
    assert abs(int(smooth.sum()) - int(notched.sum())) <= 2
    assert smooth[60, 65] and not smooth[31, 50]


def test_smoothing_leaves_empty_and_full_slices() -> None:
    empty = np.zeros(SHAPE, bool)
    assert not smoothed(empty, 2.0, OBLONG_MM).any()
    assert smoothed(~empty, 2.0, OBLONG_MM).all()


def test_tidying_keeps_the_largest_part_and_fills_holes() -> None:
    region = disc(20.0)
    region[60, 50] = False
    region[2:5, 2:5] = True
    tidy = tidied(region)
    assert tidy[60, 50] and not tidy[3, 3]
    assert not tidied(np.zeros(SHAPE, bool)).any()


def test_the_shape_halfway_between_discs_is_a_disc_halfway() -> None:
    first, second = disc(12.0, (40, 30)), disc(24.0, (70, 60))
    middle = between(first, second, 0.5, OBLONG_MM)
    rows, columns = np.nonzero(middle)
    assert (rows.mean(), columns.mean()) == (pytest.approx(55, abs=1), pytest.approx(45, abs=1))
    assert math.sqrt(area_mm2(middle) / math.pi) == pytest.approx(18, abs=0.7)


def test_at_its_ends_the_interpolation_is_what_was_drawn() -> None:
    first, second = disc(12.0, (40, 30)), disc(24.0, (70, 60))
    assert np.array_equal(between(first, second, 0.0, OBLONG_MM), first)
    assert np.array_equal(between(first, second, 1.0, OBLONG_MM), second)
