"""Slices of one cine as batches on the network's device, all around the same centre."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_ssp.recipes import Crop
from cmr_ssp.samples.resampling import SliceBatch

InPlane = tuple[float, float]

_MOST_SLICES = 32
# On a processor. More is slower there: feature maps of 32 MB and more get fresh memory every time.
_MOST_PIXELS = 4 * 256**2


def crop_centre(shape: tuple[int, ...], heart_px: InPlane, crop: Crop) -> InPlane:
    """Return where a recipe wants the crop's centre in slices of a shape (..., row, column)."""
    return heart_px if crop.centre == "motion" else ((shape[-2] - 1) / 2, (shape[-1] - 1) / 2)


def slice_batches(
    levels: NDArray[np.floating],
    mean: float,
    spacing_mm: InPlane,
    centre_px: InPlane,
    crop: Crop,
    device: torch.device,
) -> Iterator[SliceBatch]:
    """Yield slices (slice, row, column) that share a centre, as many at a time as suits the crop."""
    step = slices_at_once(crop, device)
    for start in range(0, len(levels), step):
        part = torch.from_numpy(np.asarray(levels[start : start + step], dtype=np.float32))
        n = len(part)
        yield SliceBatch(
            part[:, None].to(device),
            None,
            torch.tensor([centre_px], dtype=torch.float32, device=device).expand(n, 2),
            torch.tensor([spacing_mm], dtype=torch.float32, device=device).expand(n, 2),
            torch.full((n,), mean, device=device),
        )


def slices_at_once(crop: Crop, device: torch.device) -> int:
    """Return how many crops of a size are best predicted together."""
    fitting = max(1, _MOST_PIXELS // crop.size_px**2) if device.type == "cpu" else _MOST_SLICES
    return min(_MOST_SLICES, fitting)
