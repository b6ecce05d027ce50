"""Encoders with the projection or prototype head of a contrastive pretraining method."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_ssp.networks.unet import Encoder


class ProjectionHead(nn.Sequential):
    """Three linear layers with ReLU between them, for SimCLR and PCL (see docs/methods.md)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(
            nn.Linear(inputs, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, outputs),
        )


class PrototypeHead(nn.Module):
    """DINO head: a multilayer perceptron with a bottleneck, followed by cosine similarity with prototypes.

    The last layer is weight-normalised with unit norm, so its outputs are cosines.
    """

    def __init__(self, inputs: int, hidden: int, bottleneck: int, outputs: int) -> None:
        super().__init__()
        self.perceptron = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        self.prototypes = nn.Linear(bottleneck, outputs, bias=False)
        for layer in self.perceptron:
            if isinstance(layer, nn.Linear):  # as in the authors' code
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Compute the cosine similarity of pooled features to every prototype, shape (batch, output)."""
        direction = functional.normalize(self.perceptron(features), dim=1)
        return functional.linear(direction, functional.normalize(self.prototypes.weight, dim=1))


class PooledEncoder(nn.Module):
    """Encoder, global average pooling and head.

    Parameters
    ----------
    encoder : Encoder
        Its features of the lowest resolution are pooled.
    head : nn.Module
        Receives features of shape (batch, channel).
    """

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Tensor:
        """Compute the outputs of the head for images of shape (batch, 1, row, column)."""
        outputs: Tensor = self.head(pooled_features(self.encoder, images))
        return outputs


def pooled_features(encoder: Encoder, images: Tensor) -> Tensor:
    """Average the encoder features of the lowest resolution, shape (batch, channel)."""
    return torch.mean(encoder(images)[-1], dim=(2, 3))
