from __future__ import annotations

import numpy as np
import pytest
from cmr_ssp.files.contours.polygons import fill


@pytest.mark.parametrize("radius", [12.0, 20.3, 25.5])
def test_a_circle_has_its_area(radius: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    centres = np.random.default_rng(0).uniform(30, 31, (50, 2))  # the count of one depends on its place
    areas = [np.count_nonzero(fill(circle + centre, (64, 66))) for centre in centres]
    assert np.mean(areas) == pytest.approx(np.pi * radius**2, rel=0.01)


def test_neighbours_share_no_pixel() -> None:
    left = np.array([(1.0, 1.0), (5.0, 1.0), (5.0, 6.0), (1.0, 6.0)])
    right = left + np.array([4, 0])
    assert not (fill(left, (8, 12)) & fill(right, (8, 12))).any()
    assert np.count_nonzero(fill(left, (8, 12))) == 4 * 5


def test_what_leaves_the_image_is_cut_off() -> None:
    polygon = np.array([(-5.0, -5.0), (20.0, -5.0), (20.0, 20.0), (-5.0, 20.0)])
    assert fill(polygon, (4, 6)).all()
