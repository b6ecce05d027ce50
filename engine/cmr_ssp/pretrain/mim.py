"""Masked image modelling: rebuild the hidden patches of a slice (method page, MIM)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.events import Cancel
from cmr_ssp.networks import UNet
from cmr_ssp.recipes import MimRecipe
from cmr_ssp.samples.bank import SliceBank
from cmr_ssp.samples.patch_mask import draw_patch_mask
from cmr_ssp.samples.seeding import generator
from cmr_ssp.samples.views import make_views

TRANSFERRED = ("encoder", "decoder")
_MASK_STREAM = 1  # apart from the stream that augments
_VALIDATION_STREAM = 2
_VALIDATION_BATCH = 32


def masked_mse(prediction: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error over hidden pixels.

    Parameters
    ----------
    prediction, images : Tensor, shape (batch, 1, row, column)
        What was rebuilt and what was there.
    mask : Tensor of bool, same shape
        True is hidden.
    """
    # In single precision: sums of half floats over a mask overflow.
    return (prediction.float() - images.float())[mask].square().mean()


class MimObjective:
    """Trains encoder and decoder to rebuild what the mask hides.

    Parameters
    ----------
    bank : SliceBank
        Where the slices come from.
    samples, validation_samples : ndarray of int
        Which of them train, and which only measure.
    recipe : MimRecipe
        Network, crop, augmentation and mask.
    device : torch.device
        Where it happens.
    """

    def __init__(
        self,
        bank: SliceBank,
        samples: NDArray[np.int64],
        validation_samples: NDArray[np.int64],
        recipe: MimRecipe,
        device: torch.device,
    ) -> None:
        self.samples = samples
        self._validation_samples = validation_samples
        self._bank, self._recipe, self._device = bank, recipe, device
        self.network: nn.Module = UNet(recipe.network.channels, 1, deep_supervision=False).to(device)

    def before_update(self, progress: float) -> None:
        """Nothing changes between updates."""

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Return the error over the hidden patches of freshly augmented slices."""
        views = make_views(
            self._bank,
            samples,
            self._recipe.crop,
            self._recipe.augmentation,
            seed,
            self._device,
            with_labels=False,
        )
        return self._masked_loss(network, views.images, (*seed, _MASK_STREAM))

    @torch.inference_mode()
    def validate(self, cancel: Cancel | None = None) -> dict[str, float]:
        """Return the negative error on validation slices, with the same masks every time."""
        cancel = cancel or Cancel()
        if not len(self._validation_samples):
            return {}
        self.network.eval()
        errors, pieces = (
            [],
            np.array_split(self._validation_samples, -(-len(self._validation_samples) // _VALIDATION_BATCH)),
        )
        for number, samples in enumerate(pieces):
            cancel.check()
            seed = (self._recipe.seed, _VALIDATION_STREAM, number)
            views = make_views(
                self._bank, samples, self._recipe.crop, None, seed, self._device, with_labels=False
            )
            errors.append(float(self._masked_loss(self.network, views.images, seed)) * len(samples))
        return {"validation_negative_error": -sum(errors) / len(self._validation_samples)}

    def _masked_loss(self, network: nn.Module, images: Tensor, seed: tuple[int, ...]) -> Tensor:
        size = self._recipe.crop.size_px
        mask = draw_patch_mask(len(images), size, self._recipe.mask, generator(*seed)).to(self._device)
        visible = images.masked_fill(mask, 0.0).contiguous(memory_format=torch.channels_last)
        return masked_mse(network(visible)[0], images, mask)
