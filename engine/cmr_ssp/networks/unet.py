"""The 2D U-Net of the paper; encoder, decoder and heads are separate modules for weight transfer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return two blocks of 3x3 convolution, batch norm and leaky ReLU; the first convolution has `stride`."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.01, inplace=True),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.01, inplace=True),
    )


class Encoder(nn.Module):
    """Encoder that halves the resolution at every stage after the first.

    Parameters
    ----------
    channels : sequence of int
        Channels at each resolution, highest first; in the paper 32, 64, 128, 256, 512, 512, 512.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        stages = [_block(1, channels[0])]
        stages += [_block(wide, narrow, stride=2) for wide, narrow in pairwise(channels)]
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the features of images (batch, 1, row, column) at every resolution, highest first."""
        features = []
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        return features


class Upsampling(nn.ConvTranspose2d):
    """2x2 transposed convolution with stride 2.

    Its outputs do not overlap, so on a CPU it is computed as one matrix product, which halves the time of the
    forward and backward pass.
    """

    bias: nn.Parameter

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 2, 2)

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Double the rows and columns of images of shape (batch, channel, row, column)."""
        if images.device.type != "cpu" or torch.onnx.is_in_onnx_export():
            return super().forward(images, output_size)
        batch, inputs, rows, columns = images.shape
        # Four outputs per pixel: (upper, lower) x (left, right) x channel.
        weight, bias = self.weight.permute(2, 3, 1, 0).reshape(-1, inputs), self.bias.repeat(4)
        pixels = functional.linear(images.permute(0, 2, 3, 1), weight, bias)
        quads = pixels.reshape(batch, rows, columns, 2, 2, -1).transpose(2, 3)
        return quads.reshape(batch, 2 * rows, 2 * columns, -1).permute(0, 3, 1, 2)


class Decoder(nn.Module):
    """Decoder that mirrors the encoder: upsampling, concatenation with the skip connection, convolutions."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.upsamplings = nn.ModuleList()
        self.stages = nn.ModuleList()
        for fine, coarse in reversed(list(pairwise(channels))):
            self.upsamplings.append(Upsampling(coarse, fine))
            self.stages.append(_block(2 * fine, fine))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Compute the decoded features at every resolution except the lowest, highest first."""
        decoded = [features[-1]]
        skips = reversed(features[:-1])
        for upsampling, stage, skip in zip(self.upsamplings, self.stages, skips, strict=True):
            decoded.append(stage(torch.cat((upsampling(decoded[-1]), skip), dim=1)))
        return decoded[:0:-1]


class UNet(nn.Module):
    """U-Net: encoder, decoder and 1x1 output convolutions (see docs/methods.md).

    Parameters
    ----------
    channels : sequence of int
        Channels at each resolution, highest first. Image sides must be divisible by
        ``2 ** (len(channels) - 1)``.
    n_outputs : int
        Number of output channels.
    deep_supervision : bool
        Whether the network has an output at every resolution except the lowest in training mode, instead of
        only at full resolution.
    """

    def __init__(self, channels: Sequence[int], n_outputs: int, *, deep_supervision: bool) -> None:
        super().__init__()
        self.encoder = Encoder(channels)
        self.decoder = Decoder(channels)
        self.deep_supervision = deep_supervision
        supervised = channels[:-1] if deep_supervision else channels[:1]
        self.heads = nn.ModuleList([nn.Conv2d(width, n_outputs, 1) for width in supervised])

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Compute the output at full resolution for images of shape (batch, 1, row, column).

        In training mode with deep supervision, return a list of outputs instead, highest resolution first.
        """
        decoded = self.decoder(self.encoder(images))
        if self.training and self.deep_supervision:
            return [head(features) for head, features in zip(self.heads, decoded, strict=True)]
        output: Tensor = self.heads[0](decoded[0])
        return output


def fold_norms(network: UNet) -> UNet:
    """Return a copy for inference with every batch norm folded into the convolution before it.

    The copy computes the same function up to rounding, in about four fifths of the time.
    """
    folded = deepcopy(network).eval()
    blocks = [module for module in folded.modules() if isinstance(module, nn.Sequential)]
    for block in blocks:
        for place, (layer, following) in enumerate(pairwise(list(block))):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                block[place], block[place + 1] = fuse_conv_bn_eval(layer, following), nn.Identity()
    return folded
