"""Augmented views of slice samples, made a batch at a time where the network lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_ssp.recipes import Augmentation, Crop
from cmr_ssp.samples.bank import SliceBank
from cmr_ssp.samples.intensity import augment_intensities, solarise
from cmr_ssp.samples.resampling import draw_placement, gather, no_placement, resample
from cmr_ssp.samples.seeding import generator


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """A batch of views.

    Attributes
    ----------
    images : Tensor of float32, shape (batch, 1, size, size)
        Standardised.
    labels : Tensor of uint8, shape (batch, size, size), or None
        0 or a `Structure` number.
    drawn : Tensor of bool, shape (batch, structure)
        Which structures somebody drew, in the order of `Structure`.
    """

    images: Tensor
    labels: Tensor | None
    drawn: Tensor


def make_views(
    bank: SliceBank,
    samples: NDArray[np.int64],
    crop: Crop,
    augmentation: Augmentation | None,
    seed: tuple[int, ...],
    device: torch.device,
    *,
    with_labels: bool,
    n_views: int = 1,
) -> Views:
    """Make one view of each sample, or several: first one of each, then the next of each.

    Parameters
    ----------
    bank, samples
        Where the slices come from, and which.
    crop : Crop
        What the network sees.
    augmentation : Augmentation or None
        None resamples and standardises only.
    seed : tuple of int
        The views are a function of it and of `samples`.
    device : torch.device
        Where they are made.
    with_labels : bool
        Whether labels come along.
    n_views : int
        Of each sample.
    """
    random = generator(*seed)
    batch = gather(bank, samples, crop, device, with_labels=with_labels)
    n = n_views * len(samples)
    placement = no_placement(n) if augmentation is None else draw_placement(n, augmentation, random)
    images, labels = resample(batch, placement, crop)
    if augmentation is not None:
        images = augment_intensities(images, augmentation, random)
        assert batch.highest is not None
        images = solarise(
            images, (batch.highest - batch.mean).repeat(n_views), augmentation.solarise_p, random
        )
    drawn = torch.from_numpy(bank.drawn(np.tile(samples, n_views))).to(device)
    return Views(images, labels, drawn)
