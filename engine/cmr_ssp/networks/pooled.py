"""An encoder with a head on its pooled features, as used by most pretraining methods."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cmr_ssp.networks.unet import Encoder


class PooledEncoder(nn.Module):
    """An encoder, global average pooling, and a head.

    Parameters
    ----------
    encoder : Encoder
        Its lowest resolution is pooled.
    head : nn.Module
        Takes features (batch, channel).
    """

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Tensor:
        """Return the head's outputs for images (batch, 1, row, column)."""
        outputs: Tensor = self.head(pooled_features(self.encoder, images))
        return outputs


def pooled_features(encoder: Encoder, images: Tensor) -> Tensor:
    """Return the mean of an encoder's lowest resolution, shape (batch, channel)."""
    return torch.mean(encoder(images)[-1], dim=(2, 3))
