"""Masked image modelling: rebuild the hidden patches of a slice (method page, MIM)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.networks import UNet
from cmr_ssp.pretrain.objective import PretrainObjective
from cmr_ssp.recipes import MimRecipe
from cmr_ssp.samples.patch_mask import draw_patch_mask
from cmr_ssp.samples.seeding import generator

_MASK_STREAM = 1  # apart from the stream that augments


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


class MimObjective(PretrainObjective[MimRecipe]):
    """Trains encoder and decoder to rebuild what the mask hides."""

    transferred = ("encoder", "decoder")

    def make_network(self) -> nn.Module:
        """Return the U-Net with one output and no deep supervision."""
        return UNet(self._recipe.network.channels, 1, deep_supervision=False)

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Return the error over the hidden patches of freshly augmented slices."""
        keep = self.processes.part(len(samples))
        images = self.views(samples, seed, augmentation=self._recipe.augmentation, keep=keep)
        mask = self._mask(len(samples), (*seed, _MASK_STREAM))
        return self._masked_loss(network, images, mask if keep is None else mask[keep])

    def measure(self, samples: NDArray[np.int64], seed: tuple[int, ...]) -> dict[str, float]:
        """Return the negative error on slices that are not augmented."""
        images = self.views(samples, seed, augmentation=None)
        error = self._masked_loss(self.network, images, self._mask(len(samples), seed))
        return {"validation_negative_error": -float(error)}

    def _mask(self, n: int, seed: tuple[int, ...]) -> Tensor:
        return draw_patch_mask(n, self._recipe.crop.size_px, self._recipe.mask, generator(*seed))

    def _masked_loss(self, network: nn.Module, images: Tensor, mask: Tensor) -> Tensor:
        mask = mask.to(self._device)
        return masked_mse(network(images.masked_fill(mask, 0.0))[0], images, mask)
