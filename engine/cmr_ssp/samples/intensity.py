"""Intensity augmentation of whole batches, with random parameters for each image.

Images are standardised, have the shape (batch, 1, row, column), and are changed in place and returned. Random
numbers are drawn on the CPU, except for the noise, which is drawn on the device of the images.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from cmr_ssp.recipes import Augmentation, blur_radius_px
from cmr_ssp.samples.seeding import Draws, generator


def augment_intensities(images: Tensor, ranges: Augmentation, draws: Draws) -> Tensor:
    """Apply noise, blur, multiplication, shift and gamma, in this order (see docs/methods.md)."""
    images = add_noise(images, ranges.noise_sd, ranges.noise_p, draws)
    images = blur(images, ranges.blur_sigma_px, ranges.blur_p, draws, border=ranges.blur_border)
    images = multiply(images, ranges.multiply, ranges.multiply_p, draws)
    images = shift(images, ranges.shift, ranges.shift_p, draws)
    return adjust_gamma(images, ranges.gamma, ranges.gamma_p, draws)


def add_noise(images: Tensor, largest_sd: float, p: float, draws: Draws) -> Tensor:
    """Add Gaussian noise with a random standard deviation up to `largest_sd`."""
    coins = draws.rand_whole() < p
    sd = draws.rand() * largest_sd
    seed = int(torch.randint(2**62, (1,), generator=draws.generator))
    chosen = draws.kept(coins).nonzero()[:, 0]
    if not len(chosen):
        return images
    shape = (int(coins.sum()), *images.shape[1:])
    noise = torch.empty(shape, device=images.device).normal_(generator=generator(seed, device=images.device))
    noise = noise[draws.kept(coins.cumsum(0) - 1)[chosen].to(images.device)]
    chosen = chosen.to(images.device)
    images[chosen] = images[chosen] + noise * _per_image(sd, images)[chosen]
    return images


def blur(
    images: Tensor,
    sigma_px: tuple[float, float],
    p: float,
    draws: Draws,
    *,
    border: Literal["reflect", "zeros"] = "reflect",
) -> Tensor:
    """Blur with a Gaussian of random width along each axis.

    Images are padded by reflection, or with zeros, the mean of the standardised cine.
    """
    chosen = _coins(p, draws).nonzero()[:, 0].to(images.device)
    sigma = _uniform(sigma_px, draws, 2).to(images.device)[chosen]
    if not len(chosen):
        return images
    radius = blur_radius_px(sigma_px[1])
    kernels = _gaussians(sigma, radius)
    picked = images[chosen].transpose(0, 1)  # (1, chosen, row, column): one group per image
    picked = functional.pad(picked, [radius] * 4, mode="reflect" if border == "reflect" else "constant")
    picked = functional.conv2d(picked, kernels[:, None, 0, :, None], groups=len(chosen))
    picked = functional.conv2d(picked, kernels[:, None, 1, None, :], groups=len(chosen))
    images[chosen] = picked.transpose(0, 1)
    return images


def _gaussians(sigma_px: Tensor, radius: int) -> Tensor:
    """Return normalised Gaussians, integrated over each pixel, shape (*sigma_px, 2 * radius + 1)."""
    edges = torch.arange(-radius, radius + 2, device=sigma_px.device) - 0.5
    kernels = torch.erf(edges / (sigma_px[..., None] * math.sqrt(2))).diff(dim=-1)
    return kernels / kernels.sum(dim=-1, keepdim=True)


def multiply(images: Tensor, factor: tuple[float, float], p: float, draws: Draws) -> Tensor:
    """Multiply by a random factor."""
    factors = _uniform(factor, draws)
    factors[~_coins(p, draws)] = 1.0
    return images.mul_(_per_image(factors, images))


def shift(images: Tensor, by: tuple[float, float], p: float, draws: Draws) -> Tensor:
    """Add a random constant."""
    shifts = _uniform(by, draws)
    shifts[~_coins(p, draws)] = 0.0
    return images.add_(_per_image(shifts, images))


def adjust_gamma(images: Tensor, gamma: tuple[float, float], p: float, draws: Draws) -> Tensor:
    """Apply a random gamma to each image, scaled to its own range."""
    powers = _uniform(gamma, draws)
    powers[~_coins(p, draws)] = 1.0
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    span = (high - low).clamp_min(1e-7)
    # x ** p = 2 ** (p log2 x) takes a third of the time of pow; at 0 it is 2 ** -inf.
    images.sub_(low).div_(span).log2_().mul_(_per_image(powers, images)).exp2_()
    return images.mul_(span).add_(low)


def solarise(images: Tensor, highest: Tensor, p: float, draws: Draws) -> Tensor:
    """Solarise: replace each value above the mean by the highest value of the cine minus the value.

    Parameters
    ----------
    images : Tensor, shape (batch, 1, row, column)
        Standardised, so the mean is 0.
    highest : Tensor, shape (batch,)
        Highest standardised value of the cine of each image.
    p : float
        Probability; at 0, no random numbers are drawn.
    """
    if not p:
        return images
    chosen = _per_image(_coins(p, draws), images) & (images > 0)
    return torch.where(chosen, highest[:, None, None, None] - images, images)


def _coins(p: float, draws: Draws) -> Tensor:
    return draws.rand() < p


def _uniform(bounds: tuple[float, float], draws: Draws, *shape: int) -> Tensor:
    low, high = bounds
    return draws.rand(*shape) * (high - low) + low


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device)[:, None, None, None]
