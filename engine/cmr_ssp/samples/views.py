"""Augmented views of slice samples, made a batch at a time where the network lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_ssp.recipes import Augmentation, Crop
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.intensity import augment_intensities, solarise
from cmr_ssp.samples.resampling import canvas_of, draw_placement, gather, no_placement, resample
from cmr_ssp.samples.seeding import Draws, generator


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
    keep: NDArray[np.int64] | None = None,
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
    keep : ndarray of int, optional
        Places in `samples` whose views are wanted, the same as if all were made; all unless given.
    """
    n = len(samples)
    kept = samples if keep is None else samples[keep]
    places = None if keep is None else (np.arange(n_views)[:, None] * n + keep).ravel()
    draws = Draws(generator(*seed), n_views * n, places)
    batch = gather(bank, kept, crop, device, with_labels=with_labels, canvas=canvas_of(bank, samples))
    if augmentation is None:
        placement = no_placement(n_views * len(kept))
    else:
        placement = draw_placement(augmentation, draws)
    images, labels = resample(batch, placement, crop)
    if augmentation is not None:
        images = augment_intensities(images, augmentation, draws)
        assert batch.highest is not None
        highest = (batch.highest - batch.mean).repeat(n_views)
        images = solarise(images, highest, augmentation.solarise_p, draws)
    drawn = torch.from_numpy(bank.drawn(np.tile(kept, n_views))).to(device)
    return Views(images, labels, drawn)
