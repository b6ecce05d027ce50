"""Load a trained network for segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cmr_ssp.anatomy import N_CLASSES
from cmr_ssp.errors import CheckpointError, Problem
from cmr_ssp.networks import UNet, fold_norms
from cmr_ssp.recipes import SegmentationRecipe
from cmr_ssp.runs import Provenance
from cmr_ssp.weights import Checkpoint, load_checkpoint


@dataclass(frozen=True, slots=True, eq=False)
class Segmenter:
    """A segmentation network with its recipe, provenance, and problems of its checkpoint."""

    network: UNet
    recipe: SegmentationRecipe
    provenance: Provenance
    problems: tuple[Problem, ...] = ()


def load_segmenter(path: Path, device: torch.device) -> Segmenter:
    """Load the network of a checkpoint for prediction.

    Raises
    ------
    CheckpointError
        If the file is not a checkpoint of a segmentation network.
    """
    network, recipe, checkpoint = load_unet(path)
    return Segmenter(for_prediction(network, device), recipe, checkpoint.provenance, checkpoint.problems)


def load_unet(path: Path) -> tuple[UNet, SegmentationRecipe, Checkpoint]:
    """Load the network of a checkpoint without changes, on the CPU.

    Raises
    ------
    CheckpointError
        If the file is not a checkpoint of a segmentation network.
    """
    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    if not isinstance(recipe, SegmentationRecipe):
        remedy = "Fine-tune it first: `cmr-ssp finetune FOLDER --from RUN --run RUN2`."
        raise CheckpointError.of(path, "is a pretrained network, which does not segment yet", remedy)
    with torch.device("meta"):  # a damaged or hostile recipe may describe a network larger than the memory
        shapes = _shapes(_unet(recipe).state_dict())
    if shapes != _shapes(checkpoint.network):
        raise _misfit(path)
    network = _unet(recipe)
    load_weights(network, checkpoint, path)
    return network, recipe, checkpoint


def _unet(recipe: SegmentationRecipe) -> UNet:
    return UNet(recipe.network.channels, N_CLASSES, deep_supervision=recipe.loss.deep_supervision)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _misfit(path: Path) -> CheckpointError:
    remedy = "Copy the run again; the file was changed."
    return CheckpointError.of(path, "its weights do not fit its own recipe", remedy)


def with_weights(network: UNet, checkpoint: Checkpoint, path: Path, device: torch.device) -> UNet:
    """Return a copy of the network with the weights of a checkpoint, for prediction on the device.

    Raises
    ------
    CheckpointError
        If the weights do not fit the network.
    """
    load_weights(network, checkpoint, path)
    return for_prediction(network, device)


def load_weights(network: UNet, checkpoint: Checkpoint, path: Path) -> None:
    """Load the weights of a checkpoint into a network.

    Raises
    ------
    CheckpointError
        If the weights do not fit the network.
    """
    try:
        network.load_state_dict(checkpoint.network)
    except RuntimeError:
        raise _misfit(path) from None


def for_prediction(network: UNet, device: torch.device) -> UNet:
    """Return a copy on the device, with batch norms folded into the convolutions."""
    folded = fold_norms(network)
    folded.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return folded
