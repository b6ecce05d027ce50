"""Wall thickness against rings, whose thickness is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.function.radial import directions, trace
from cmr_ssp.function.walls import N_DIRECTIONS, SliceWall, slice_wall, stack_walls
from ring_helpers import ring, stack_of_rings, with_rv
from scipy import ndimage

LV, MYO, RV = Structure
PIXELS = [(1.0, 1.0), (1.4, 1.4), (1.0, 2.0), (1.8, 1.2)]


def measured(labels: np.ndarray, spacing_mm: tuple[float, float]) -> SliceWall:
    wall = slice_wall(labels, spacing_mm)
    assert wall is not None
    return wall


@pytest.mark.parametrize("spacing_mm", PIXELS)
@pytest.mark.parametrize(("inner", "outer"), [(25.0, 33.0), (20.0, 32.0), (30.0, 36.0), (25.0, 29.0)])
def test_ring_has_the_difference_of_its_radii(
    spacing_mm: tuple[float, float], inner: float, outer: float
) -> None:
    rng, truth, pixel = np.random.default_rng(0), outer - inner, max(spacing_mm)
    walls = [
        measured(ring(spacing_mm, inner, outer, centre_mm=tuple(rng.uniform(-20, 20, 2))), spacing_mm)
        for _ in range(5)
    ]
    errors = np.array([wall.thickness_mm - truth for wall in walls])
    assert all(wall.closed for wall in walls)
    assert abs(errors.mean()) < max(0.06, 0.01 * truth)  # no bias
    assert np.abs(errors.mean(axis=1)).max() < 0.15  # nor much in any slice
    assert np.abs(errors.reshape(5, 6, -1).mean(axis=2)).max() < 0.3 * pixel  # nor in any segment


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (1.4, 1.4), (1.0, 2.0)])
@pytest.mark.parametrize("offset", [(4.0, 0.0), (0.0, 4.0), (2.0, -3.0)])
def test_cavity_off_centre(spacing_mm: tuple[float, float], offset: tuple[float, float]) -> None:
    inner, outer, shift = 24.0, 34.0, np.array(offset)
    angles, rng, errors = directions(N_DIRECTIONS), np.random.default_rng(0), []
    along = np.column_stack([np.sin(angles), np.cos(angles)]) @ shift
    # the middle line is an ellipse with its foci at both centres
    radius = ((inner + outer) ** 2 - shift @ shift) / (2 * (inner + outer - along))
    for _ in range(5):
        centre = tuple(rng.uniform(-20, 20, 2))
        wall = measured(ring(spacing_mm, inner, outer, centre_mm=centre, offset_mm=offset), spacing_mm)
        errors.append(wall.thickness_mm - 2 * (outer - radius))
    assert abs(np.mean(errors)) < 0.1
    assert np.abs(np.reshape(errors, (5, 6, -1)).mean(axis=2)).max() < 0.3 * max(spacing_mm)


def test_slice_mean_is_what_the_areas_of_the_pixels_say() -> None:
    labels = ring((1.4, 1.4), 26, 34)  # a centre between the pixels, where the areas are 0.2 mm off
    inner, outer = (np.sqrt(np.count_nonzero(part) * 1.4**2 / np.pi) for part in (labels == LV, labels > 0))
    assert measured(labels, (1.4, 1.4)).mean_mm == pytest.approx(outer - inner, abs=0.05)


def test_contour_encloses_the_area_of_its_pixels() -> None:
    region = ring((1.0, 2.0), 25, 30) > 0
    contour = trace(region, (1.0, 2.0))
    assert np.pi * np.mean(contour.radius_mm**2) == pytest.approx(2.0 * np.count_nonzero(region))
    assert np.abs(contour.radius_mm - 30).max() < 0.6


def test_open_ring_is_measured_where_it_is_drawn() -> None:
    labels = ring((1.4, 1.4), 25, 33)
    angles = np.rad2deg(directions(N_DIRECTIONS))
    rows, columns = np.indices(labels.shape) - 99.5
    in_gap = np.abs(np.rad2deg(np.arctan2(rows, columns)) - 90) < 40
    labels[(labels == MYO) & in_gap] = 0
    wall = measured(labels, (1.4, 1.4))
    assert not wall.closed and "does not surround" in wall.sentence
    assert np.isnan(wall.thickness_mm[np.abs(angles - 90) < 40]).all()
    rest = wall.thickness_mm[np.abs(angles - 90) > 60]
    assert np.abs(rest - 8).max() < 1.4


def test_one_lost_pixel_does_not_open_a_ring() -> None:
    labels = ring((1.4, 1.4), 30, 32)
    labels[100, labels[100] == MYO] = 0
    assert measured(labels, (1.4, 1.4)).closed


def test_no_wall_and_no_cavity() -> None:
    labels = ring((1.0, 1.0), 25, 33)
    assert slice_wall(np.where(labels == MYO, 0, labels), (1.0, 1.0)) is None
    assert slice_wall(np.zeros_like(labels), (1.0, 1.0)) is None
    cap = measured(np.where(labels > 0, MYO, 0).astype(np.uint8), (1.0, 1.0))
    assert not cap.has_cavity and not cap.closed and cap.mean_mm is None
    assert "not available" in cap.sentence


def test_heart_at_the_edge_of_the_image() -> None:
    labels = ring((1.0, 1.0), 25, 33)
    cut = labels[60:, 60:]  # the ring begins at 66.5
    same = measured(cut, (1.0, 1.0))
    assert np.array_equal(same.thickness_mm, measured(labels, (1.0, 1.0)).thickness_mm)
    assert same.centre == pytest.approx((39.5, 39.5))
    assert measured(labels[100:], (1.0, 1.0)).mean_mm is not None


@pytest.mark.parametrize("start", [10, 120, 300])
def test_rv_contact(start: float) -> None:
    spacing_mm = (1.0, 1.5)
    wall = measured(with_rv(ring(spacing_mm, 25, 33), spacing_mm, 33, start, 110), spacing_mm)
    assert wall.rv is not None
    assert wall.rv.start_deg == pytest.approx(start, abs=5)
    assert wall.rv.end_deg == pytest.approx((start + 110) % 360, abs=5)
    assert measured(ring(spacing_mm, 25, 33), spacing_mm).rv is None


def test_stack_names_frame_and_slice_and_is_fast() -> None:
    labels = stack_of_rings()
    began = time.perf_counter()
    walls = stack_walls(labels, (8.0, 1.4, 1.4))
    assert time.perf_counter() - began < 2
    assert set(walls) == {(frame, slice_) for frame in range(2) for slice_ in range(1, 9)}
    assert all((wall.frame, wall.slice_) == place for place, wall in walls.items())
    assert walls[1, 4].sentence.startswith("Slice 4, frame 1: the LV wall is 12.1 mm thick (")
    assert set(stack_walls(labels, (8.0, 1.4, 1.4), frames=[1])) == {p for p in walls if p[0] == 1}
    best = np.inf
    for _ in range(5):
        began = time.perf_counter()
        slice_wall(labels[0, 4], (1.4, 1.4))
        best = min(best, time.perf_counter() - began)
    assert best < 0.05


@pytest.mark.parametrize("seed", range(30))
def test_any_labels_give_thicknesses_or_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(4, 60, 70)), (0, *rng.uniform(0.5, 6, 2)))
    wall = slice_wall(smooth.argmax(axis=0).astype(np.uint8), (1.3, 1.9))
    assert wall is not None
    known = wall.thickness_mm[~np.isnan(wall.thickness_mm)]
    assert (known > 0).all() and (known < 100).all()


def test_thin_and_lost_structures() -> None:
    for labels in ([[MYO] * 12], [[MYO], [LV]] * 12, [[LV] * 5 + [MYO] * 20]):
        wall = slice_wall(np.array(labels, np.uint8), (1.0, 1.0))
        assert wall is None or wall.sentence
