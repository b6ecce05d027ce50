from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from cmr_ssp.recipes import Augmentation, load_recipe
from cmr_ssp.samples.intensity import (
    add_noise,
    adjust_gamma,
    augment_intensities,
    blur,
    multiply,
    shift,
)
from cmr_ssp.samples.seeding import Draws
from monai.transforms import AdjustContrast, GaussianSmooth
from scipy import ndimage
from scipy.stats import norm
from torch import Tensor

Step = Callable[[Tensor, float, Draws], Tensor]

STEPS: dict[str, Step] = {
    "noise": lambda images, p, random: add_noise(images, 0.2, p, random),
    "blur": lambda images, p, random: blur(images, (0.5, 1.5), p, random),
    "multiply": lambda images, p, random: multiply(images, (0.6, 1.5), p, random),
    "shift": lambda images, p, random: shift(images, (-0.4, 0.4), p, random),
    "gamma": lambda images, p, random: adjust_gamma(images, (0.7, 1.5), p, random),
}


def seeded(images: Tensor, seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed), len(images))


def noisy(n: int = 4, size: int = 16, seed: int = 0) -> Tensor:
    """Return standardised images, shape (n, 1, size, size)."""
    return torch.randn(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", STEPS)
def test_each_step_changes_every_image_none_or_its_share(name: str) -> None:
    step, images = STEPS[name], noisy(1000, 8)
    for p, low, high in ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.2, 0.15, 0.25)):
        changed = (step(images.clone(), p, seeded(images)) - images).abs().amax(dim=(1, 2, 3)) > 1e-5
        assert low - 0.005 <= float(changed.float().mean()) <= high


@pytest.mark.parametrize("name", STEPS)
def test_each_step_repeats_itself_with_its_seed_and_not_with_another(name: str) -> None:
    step, images = STEPS[name], noisy(8)
    first = step(images.clone(), 1.0, seeded(images, 3))
    assert torch.equal(first, step(images.clone(), 1.0, seeded(images, 3)))
    other = step(images.clone(), 1.0, seeded(images, 4))
    assert (first - other).abs().amax(dim=(1, 2, 3)).min() > 1e-4


def test_noise_is_gaussian_with_a_deviation_up_to_its_largest() -> None:
    nothing = torch.zeros(400, 1, 24, 24)
    noise = add_noise(nothing, 0.2, 1.0, seeded(nothing))
    deviation = noise.std(dim=(1, 2, 3))
    assert float(deviation.max()) < 0.2 * 1.12 and float(deviation.min()) < 0.01
    assert float(deviation.mean()) == pytest.approx(0.1, rel=0.1)
    assert float(deviation.std()) == pytest.approx(0.2 / 12**0.5, rel=0.1)  # uniform
    unit = (noise / deviation[:, None, None, None]).flatten(1)
    assert float((unit.abs() < 1).float().mean()) == pytest.approx(0.6827, abs=0.005)
    assert float(unit.mean()) == pytest.approx(0.0, abs=0.01)
    between = torch.corrcoef(unit[:50])
    assert float((between - torch.eye(50)).abs().max()) < 0.2  # each image has its own


def slow_gaussian(sigma: float, radius: int) -> np.ndarray:
    """Integrate a Gaussian over each pixel."""
    edges = norm.cdf(np.arange(-radius, radius + 2) - 0.5, scale=sigma)
    return np.diff(edges) / np.ptp(edges)


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_blur_integrates_over_pixels_and_reflects(sigma: float) -> None:
    images = noisy(3, 40)
    found = blur(images.clone(), (sigma, sigma), 1.0, seeded(images))
    expected = images.numpy()
    for axis in (2, 3):
        expected = ndimage.correlate1d(expected, slow_gaussian(sigma, 6), axis, mode="mirror")
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_blur_with_zeros_is_what_the_authors_library_does(sigma: float) -> None:
    images = noisy(3, 40) + 2
    found = blur(images.clone(), (sigma, sigma), 1.0, seeded(images), border="zeros")
    monai = torch.stack([GaussianSmooth(sigma)(image) for image in images])
    np.testing.assert_allclose(found, monai, atol=1e-3)
    reflected = blur(images.clone(), (sigma, sigma), 1.0, seeded(images))
    assert float((reflected - monai).abs().max()) > 0.1  # at the border


@pytest.mark.parametrize(("preset", "border"), [("paper", "zeros"), ("corrected", "reflect")])
def test_the_presets_blur_as_they_say(preset: str, border: Literal["reflect", "zeros"]) -> None:
    images = noisy(4, 32)
    off = {"noise_p": 0.0, "multiply_p": 0.0, "shift_p": 0.0, "gamma_p": 0.0, "blur_p": 1.0}
    ranges = load_recipe(f"mim/{preset}").augmentation
    found = augment_intensities(images.clone(), ranges.model_copy(update=off), seeded(images))
    alone = Draws(torch.Generator().manual_seed(0), len(images))
    alone.rand(), alone.rand(), torch.randint(2**62, (1,), generator=alone.generator)  # what noise draws
    expected = blur(images.clone(), ranges.blur_sigma_px, 1.0, alone, border=border)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_blur_draws_its_width_for_each_axis() -> None:
    points = torch.zeros(300, 1, 31, 31)
    points[:, :, 15, 15] = 1.0
    spread = blur(points, (0.5, 1.5), 1.0, seeded(points))[:, 0]
    steps = torch.arange(31) - 15.0
    np.testing.assert_allclose(spread.sum((1, 2)), 1.0, rtol=1e-5)  # brightness is kept
    rows, columns = ((spread.sum(axis) @ steps**2).sqrt() for axis in (2, 1))
    for widths in (rows, columns):
        # Integrating over a pixel of width 1 adds its variance, 1/12.
        assert 0.55 < float(widths.min()) < 0.62 and 1.46 < float(widths.max()) < 1.53
        assert float(widths.mean()) == pytest.approx(1.04, abs=0.06)
    assert abs(float(torch.corrcoef(torch.stack((rows, columns)))[0, 1])) < 0.15


def test_multiply_takes_the_factor_itself() -> None:
    images = noisy(800, 4)
    factors = multiply(images.clone(), (0.6, 1.5), 1.0, seeded(images)) / images
    assert float(factors.flatten(1).std(dim=1).max()) < 1e-5  # one factor an image
    each = factors[:, 0, 0, 0]
    assert 0.6 <= float(each.min()) < 0.61 and 1.49 < float(each.max()) <= 1.5
    assert float(each.mean()) == pytest.approx(1.05, abs=0.03)


def test_shift_adds_one_constant_an_image() -> None:
    images = noisy(800, 4)
    added = shift(images.clone(), (-0.4, 0.4), 1.0, seeded(images)) - images
    assert float(added.flatten(1).std(dim=1).max()) < 1e-6
    each = added[:, 0, 0, 0]
    assert -0.4 <= float(each.min()) < -0.39 and 0.39 < float(each.max()) <= 0.4
    assert float(each.mean()) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("gamma", [0.7, 1.5])
def test_gamma_works_on_the_image_s_own_range_as_monai_does(gamma: float) -> None:
    images = noisy(3) * 2 - 1
    found = adjust_gamma(images.clone(), (gamma, gamma), 1.0, seeded(images))
    for image, result in zip(images, found, strict=True):
        low, high = float(image.min()), float(image.max())
        slow = [((v - low) / (high - low)) ** gamma * (high - low) + low for v in image.ravel().tolist()]
        np.testing.assert_allclose(result.ravel(), slow, atol=1e-4)
        np.testing.assert_allclose(result, AdjustContrast(gamma)(image), atol=1e-4)
        assert (float(result.min()), float(result.max())) == pytest.approx((low, high), abs=1e-5)


def test_gamma_draws_one_power_an_image_from_its_range() -> None:
    images = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4).repeat(600, 1, 1, 1)
    found = adjust_gamma(images.clone(), (0.7, 1.5), 1.0, seeded(images))
    powers = found[:, 0, 1, 3].log() / images[:, 0, 1, 3].log()
    assert 0.699 < float(powers.min()) < 0.71 and 1.49 < float(powers.max()) < 1.501
    assert float(powers.mean()) == pytest.approx(1.1, abs=0.03)


def test_a_flat_image_stays_finite() -> None:
    flat = torch.full((2, 1, 16, 16), -1.5)
    found = augment_intensities(flat.clone(), Augmentation(noise_p=0.0), seeded(flat))
    assert bool(torch.isfinite(found).all())
    assert float(found.std(dim=(1, 2, 3)).max()) < 1e-5


def test_the_steps_follow_the_paper_s_order() -> None:
    images = noisy(2, 32)
    fixed = Augmentation(
        noise_p=0.0,
        blur_p=1.0,
        blur_sigma_px=(1.0, 1.0),
        multiply=(2.0, 2.0),
        shift=(0.3, 0.3),
        gamma=(1.4, 1.4),
    )
    found = augment_intensities(images.clone(), fixed, seeded(images))
    smooth = images.numpy()
    for axis in (2, 3):
        smooth = ndimage.correlate1d(smooth, slow_gaussian(1.0, 4), axis, mode="mirror")
    for image, result in zip(smooth * 2 + 0.3, found.numpy(), strict=True):
        low, span = image.min(), np.ptp(image)
        np.testing.assert_allclose(result, ((image - low) / span) ** 1.4 * span + low, atol=1e-3)


def test_noise_comes_before_blur() -> None:
    flat = torch.zeros(20, 1, 32, 32)
    still = {"multiply_p": 0.0, "shift_p": 0.0, "gamma_p": 0.0, "blur_sigma_px": (1.5, 1.5)}
    rough = augment_intensities(flat.clone(), Augmentation(noise_p=1.0, blur_p=0.0, **still), seeded(flat))
    smooth = augment_intensities(flat.clone(), Augmentation(noise_p=1.0, blur_p=1.0, **still), seeded(flat))
    ratio = smooth.std(dim=(1, 2, 3)) / rough.std(dim=(1, 2, 3))
    assert float(ratio.max()) < 0.3  # independent pixels average out
