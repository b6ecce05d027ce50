"""Changed versions of a cine keep the physical size of what they show."""

from __future__ import annotations

import numpy as np
import pytest
from cmr_ssp.samples.repeats import moved, noisy, repeats

SPACING_MM = (8.0, 1.5, 1.5)


def discs(shape: tuple[int, int] = (60, 60), in_plane: tuple[float, float] = (1.5, 1.5)) -> np.ndarray:
    """Return a cine of two frames and three slices with an ellipse of 30 x 20 mm, 10 mm off the middle."""
    rows, columns = ((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, in_plane, strict=True))
    inside = np.hypot((rows[:, None] - 10) / 15, columns / 10) < 1
    return np.broadcast_to(np.where(inside, 300.0, 50.0), (2, 3, *shape)).astype(np.float32)


def centre_mm(plane: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    weights = plane - plane.min().astype(float)
    places = np.indices(plane.shape)
    middle = (np.array(plane.shape) - 1) / 2
    return ((places * weights).sum(axis=(1, 2)) / weights.sum() - middle) * spacing[1:]


@pytest.mark.parametrize(
    ("shape", "in_plane"), [((60, 60), (1.5, 1.5)), ((60, 51), (1.5, 1.5)), ((60, 60), (1.5, 1.8))]
)
def test_area_and_place_are_kept_in_millimetres(
    shape: tuple[int, int], in_plane: tuple[float, float]
) -> None:
    pixels, spacing_mm = discs(shape, in_plane), (8.0, *in_plane)
    whole = (pixels[0, 0] > 175).sum() * np.prod(in_plane)
    for turn_deg in (0.0, 5.0, -5.0):
        turned, spacing = moved(pixels, spacing_mm, turn_deg=turn_deg)
        assert spacing[0] == 8 and turned.shape[:2] == (2, 3)
        inside = turned[1, 2] > 175
        assert inside.sum() * spacing[1] * spacing[2] == pytest.approx(whole, rel=0.03)
        assert np.hypot(*centre_mm(inside, spacing)) == pytest.approx(10, abs=0.8)
        angle = np.degrees(np.arctan2(*centre_mm(inside, spacing)[::-1]))
        # an odd difference of sides moves the middle by half a pixel
        assert abs(angle) == pytest.approx(abs(turn_deg), abs=4.5)
    there, back = (moved(pixels, spacing_mm, turn_deg=t)[0][0, 0] > 175 for t in (5.0, -5.0))
    spacing = (8.0, min(in_plane), min(in_plane))
    across = centre_mm(there, spacing)[1] - centre_mm(back, spacing)[1]
    assert abs(across) == pytest.approx(2 * 10 * np.sin(np.radians(5)), abs=0.4)


@pytest.mark.parametrize("shape", [(60, 60), (60, 51), (51, 60)])
def test_without_a_change_the_pixels_are_the_same(shape: tuple[int, int]) -> None:
    pixels = discs(shape) + np.random.default_rng(0).random((2, 3, *shape), np.float32)
    same, spacing = moved(pixels, SPACING_MM)
    assert spacing == SPACING_MM and same.shape[-2:] == (60, 60)
    rows, columns = ((60 - n) // 2 for n in shape)
    inside = same[..., rows : rows + shape[0], columns : columns + shape[1]]
    np.testing.assert_allclose(inside, pixels, atol=0.01)


def test_a_shift_by_half_a_pixel_is_one() -> None:
    shifted, _ = moved(discs(), SPACING_MM, shift_px=(0.5, -0.5))
    found = centre_mm(shifted[0, 0], SPACING_MM) - centre_mm(discs()[0, 0], SPACING_MM)
    assert found == pytest.approx([0.75, -0.75], abs=0.02)


def test_noise_has_the_stated_deviation_and_is_always_the_same() -> None:
    flat = np.full((2, 3, 60, 60), 200, np.float32)
    flat[0, 0, 0, 0] = 0
    one, other = (noisy(flat, 10.0, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (one - flat).std() == pytest.approx(10, rel=0.05)
    assert abs((one - flat).mean()) < 0.5


def test_eight_versions_are_made() -> None:
    made = list(repeats(discs(), SPACING_MM, 10.0))
    assert [each.name for each in made] == [
        "noise 1",
        "noise 2",
        "noise 3",
        "shifted down",
        "shifted right",
        "shifted both ways",
        "turned by +5 degrees",
        "turned by -5 degrees",
    ]
    assert len({each.pixels.tobytes() for each in made}) == 8
