"""Effects of the scanner: coil sensitivity, banding artefacts, finite resolution and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cmr_ssp.phantoms.shapes import Field, gaussian_field
from cmr_ssp.phantoms.style import PhantomStyle, draw


def sensitivity(rng: np.random.Generator, style: PhantomStyle, depth: Field, pixel: float) -> Field:
    """Return the smooth coil sensitivity, which is highest near the skin.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    style : PhantomStyle
        Range of the strength.
    depth : ndarray, shape (slice, row, column)
        Distance from the skin in mm.
    pixel : float
        Pixel size in mm.
    """
    rows, columns = depth.shape[1:]
    sigma = 70 / pixel
    uneven = gaussian_field(rng, (len(depth), rows, columns), (6, sigma, sigma))
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    angle = rng.uniform(-np.pi, -np.pi / 3)
    side = (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32)
    strength = draw(rng, style.shading)
    fall = np.clip(depth, 0, None) / 100
    field: Field = np.exp(strength * (0.5 * side - 0.3 * fall + 0.25 * uneven))
    return field


def bands(rng: np.random.Generator, style: PhantomStyle, distance: Field, pixel: float) -> Field:
    """Return a factor with dark off-resonance bands; all ones in most subjects.

    The field is shimmed for the heart, so the bands lie at a large `distance` (mm) from it.
    """
    if rng.uniform() > style.banding:
        return np.ones((1, 1, 1), np.float32)
    sigma = 45 / pixel
    off_resonance = np.abs(gaussian_field(rng, distance.shape, (4, sigma, sigma))) + distance / 42
    factor: Field = 1 - np.float32(0.7) * np.exp(-(((off_resonance - 3.0) / 0.22) ** 2))
    return factor


def acquire(image: Field, rng: np.random.Generator, style: PhantomStyle) -> NDArray[np.float32]:
    """Return the magnitude image: k-space truncated to the acquired part, with noise in both channels.

    Truncation causes blurring, ringing at edges and correlated noise, as in zero-filled acquisitions.
    """
    sd = draw(rng, style.noise)
    noise = rng.standard_normal((2, *image.shape), dtype=np.float32) * np.float32(sd)
    signal = (image + noise[0]) + 1j * noise[1]
    space = fft.fft2(signal, axes=(-2, -1))
    rows, columns = (_window(n, share) for n, share in zip(image.shape[-2:], style.resolution, strict=True))
    space *= rows[:, None] * columns
    magnitude: NDArray[np.float32] = np.abs(fft.ifft2(space, axes=(-2, -1), overwrite_x=True)).astype(
        np.float32
    )
    return magnitude


def _window(n: int, share: float) -> Field:
    """Return a low-pass filter that keeps the lower `share` of `n` frequencies, with a short roll-off."""
    frequency = np.abs(fft.fftfreq(n)) * 2
    window: Field = np.clip((share - frequency) / 0.25 + 0.5, 0, 1).astype(np.float32)
    return window
