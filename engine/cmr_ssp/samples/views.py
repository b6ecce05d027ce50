"""Augmented views of slices, computed in batches on the device of the network."""

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
    labels : Tensor of uint8, shape (batch, size, size)
        0 or a `Structure` number; no elements if labels were not requested.
    drawn : Tensor of bool, shape (batch, structure)
        Structures that are labelled, in the order of `Structure`.
    """

    images: Tensor
    labels: Tensor
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
    """Make one or several views of each slice: first one of each, then the next of each.

    Parameters
    ----------
    bank, samples
        Source of the slices, and their indices.
    crop : Crop
        Size and pixel spacing of the network input.
    augmentation : Augmentation or None
        Ranges of the augmentation; None resamples and standardises only.
    seed : tuple of int
        Seed; the same seed and `samples` give the same views.
    device : torch.device
        Device on which the views are computed.
    with_labels : bool
        Whether to include labels.
    n_views : int
        Number of views of each slice.
    keep : ndarray of int, optional
        Positions in `samples` of the views to return, equal to those of the whole batch; by default all.
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
        highest = torch.from_numpy(bank.index["highest"][kept].astype(np.float32)).to(device)
        highest = (highest - batch.mean).repeat(n_views)
        images = solarise(images, highest, augmentation.solarise_p, draws)
    drawn = torch.from_numpy(bank.drawn(np.tile(kept, n_views))).to(device)
    return Views(images, images.new_empty(0, dtype=torch.uint8) if labels is None else labels, drawn)
