from __future__ import annotations

import numpy as np
from cmr_ssp.samples.standardise import standardise


def bordered(inner: np.ndarray, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    return np.pad(inner, ((0, 0), (0, 0), (top, bottom), (left, right))).astype(np.float32)


def test_levels_are_in_units_of_the_whole_cine_s_deviation() -> None:
    pixels = np.random.default_rng(0).integers(20, 900, (4, 3, 7, 6)).astype(np.float32)
    pixels[2] *= 3  # slices and frames differ, yet share one scale
    cine = standardise(pixels)
    values = pixels.astype(float).ravel()
    deviation = np.sqrt(((values - values.mean()) ** 2).sum() / (values.size - 1))
    np.testing.assert_allclose(cine.levels.ravel(), (values - values.min()) / deviation, rtol=1e-5)
    standardised = cine.levels.astype(float) - cine.mean
    assert abs(standardised.mean()) < 1e-5
    assert abs(standardised.std(ddof=1) - 1) < 1e-5
    assert cine.levels.min() == 0 and cine.levels.dtype == np.float32
    assert cine.levels.flags.c_contiguous


def test_the_deviation_is_the_unbiased_one() -> None:
    cine = standardise(np.array([[[[1.0, 3.0]]]], np.float32))
    np.testing.assert_allclose(cine.levels.ravel(), [0, np.sqrt(2)], rtol=1e-6)


def test_only_the_border_that_is_zero_everywhere_goes() -> None:
    inner = np.random.default_rng(1).integers(1, 9, (2, 2, 5, 4)).astype(np.float32)
    inner[:, :, 2, :] = 0  # a zero row inside stays
    pixels = bordered(inner, 3, 1, 2, 4)
    cine = standardise(pixels)
    assert (cine.top, cine.left, cine.levels.shape) == (3, 2, (2, 2, 5, 4))
    np.testing.assert_allclose(cine.levels, standardise(inner).levels)
    assert cine.mean == standardise(inner).mean
    pixels[1, 0, 0, 9] = 5  # one pixel of one slice of one frame keeps its row and column
    assert standardise(pixels).levels.shape == (2, 2, 8, 8)


def test_pixels_are_left_as_they_were() -> None:
    pixels = bordered(np.random.default_rng(2).random((2, 1, 4, 4)), 0, 1, 1, 0)
    before = pixels.copy()
    levels = standardise(pixels).levels
    levels[:] = 7
    np.testing.assert_array_equal(pixels, before)
    whole = pixels[:, :, :4, 1:].copy()
    standardise(whole).levels[:] = 7
    np.testing.assert_array_equal(whole, before[:, :, :4, 1:])


def test_the_darkest_level_is_zero_below_zero_too() -> None:
    cine = standardise(np.array([[[[-5.0, 1.0], [2.0, 7.0]]]], np.float32))
    assert cine.levels.min() == 0 and cine.levels[0, 0, 0, 0] == 0


def test_flat_and_empty_cines_stay_finite() -> None:
    for value in (0.0, 3.0, 1e6):
        cine = standardise(np.full((2, 2, 3, 3), value, np.float32))
        assert cine.levels.shape == (2, 2, 3, 3)
        np.testing.assert_array_equal(cine.levels, 0)
        assert cine.mean == 0
    assert standardise(np.array([[[[4.0]]]], np.float32)).levels.item() == 0
