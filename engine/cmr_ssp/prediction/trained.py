"""Trained networks as plain PyTorch modules, for use in other code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from cmr_ssp.anatomy import Structure
from cmr_ssp.networks import Encoder, UNet
from cmr_ssp.prediction.segmenter import load_unet
from cmr_ssp.recipes import Recipe
from cmr_ssp.weights import load_checkpoint, transfer_weights

NORMALISATION = (
    "Crop rows and columns that are zero in every frame and slice of the cine. Then subtract the mean of all "
    "its pixels and divide by their standard deviation (with n - 1): one pair of numbers for the whole cine."
)
CLASSES = ("background", *(structure.name for structure in Structure))


@dataclass(frozen=True, slots=True)
class NetworkDescription:
    """Inputs and outputs of a network.

    Attributes
    ----------
    method : str
        Method of the run that trained it, such as ``finetune`` or ``mim``.
    normalisation : str
        How pixels are standardised, as text; `SliceBank` does this.
    spacing_mm : float
        Pixel spacing of the inputs, equal along rows and columns.
    crop_px : int
        Rows and columns of the training inputs.
    centre : str
        Centre of the crops: ``motion`` (the moving heart) or ``image`` (the middle of the image).
    divisor : int
        Rows and columns of an input must be divisible by this number.
    channels : tuple of int
        Channels at each resolution of the encoder, highest first.
    classes : tuple of str
        Names of the output channels; empty for an encoder.

    Examples
    --------
    >>> network = cmr_ssp.load_network("runs/tuned")
    >>> network.description.classes
    ('background', 'LV', 'MYO', 'RV')
    """

    method: str
    normalisation: str
    spacing_mm: float
    crop_px: int
    centre: str
    divisor: int
    channels: tuple[int, ...]
    classes: tuple[str, ...] = ()


class SegmentationNetwork(nn.Module):
    """U-Net for segmentation, without the outputs that only training uses.

    Parameters
    ----------
    network : UNet
        Network whose parts are used.
    description : NetworkDescription
        Its inputs and outputs.

    Attributes
    ----------
    encoder, decoder, head : nn.Module
        The encoder returns the features of every resolution, highest first.
    """

    def __init__(self, network: UNet, description: NetworkDescription) -> None:
        super().__init__()
        self.encoder, self.decoder, self.head = network.encoder, network.decoder, network.heads[0]
        self.description = description

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, class, row, column) for images (batch, 1, row, column)."""
        logits: Tensor = self.head(self.decoder(self.encoder(images))[0])
        return logits


class PretrainedEncoder(Encoder):
    """Encoder of a run of any method.

    Parameters
    ----------
    description : NetworkDescription
        Its inputs and channels.
    """

    def __init__(self, description: NetworkDescription) -> None:
        super().__init__(description.channels)
        self.description = description


def load_network(path: Path) -> SegmentationNetwork:
    """Load the network of a checkpoint as a plain module in evaluation mode, on the CPU.

    Raises
    ------
    CheckpointError
        If the file is not a checkpoint of a segmentation network.
    """
    network, recipe, _ = load_unet(path)
    return SegmentationNetwork(network, describe(recipe)).eval()


def load_encoder(path: Path) -> PretrainedEncoder:
    """Load the encoder of a checkpoint of any method in evaluation mode, on the CPU.

    Raises
    ------
    CheckpointError
        If the file is not a checkpoint of this package.
    """
    checkpoint = load_checkpoint(path)
    encoder = PretrainedEncoder(_describe(checkpoint.recipe))
    transfer_weights(checkpoint.network, nn.ModuleDict({"encoder": encoder}), ("encoder",), str(path))
    return encoder.eval()


def describe(recipe: Recipe) -> NetworkDescription:
    """Describe the segmentation network of a recipe."""
    return _describe(recipe, CLASSES)


def _describe(recipe: Recipe, classes: tuple[str, ...] = ()) -> NetworkDescription:
    crop, network = recipe.crop, recipe.network
    return NetworkDescription(
        recipe.method,
        NORMALISATION,
        crop.spacing_mm,
        crop.size_px,
        crop.centre,
        network.divisor,
        network.channels,
        classes,
    )
