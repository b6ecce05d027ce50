"""A trained network with what it needs to segment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from cmr_ssp.anatomy import N_CLASSES
from cmr_ssp.errors import CheckpointError, Problem
from cmr_ssp.networks import UNet, fold_norms
from cmr_ssp.recipes import SegmentationRecipe
from cmr_ssp.runs import Provenance
from cmr_ssp.weights import Checkpoint, load_checkpoint


@dataclass(frozen=True, slots=True, eq=False)
class Segmenter:
    """A network, its recipe, what it has seen, and what could not be checked of its checkpoint."""

    network: UNet
    recipe: SegmentationRecipe
    provenance: Provenance
    problems: tuple[Problem, ...] = ()


def load_segmenter(path: Path, device: torch.device) -> Segmenter:
    """Rebuild the network of a checkpoint for prediction.

    Raises
    ------
    CheckpointError
        Where the file is no checkpoint of a network that segments.
    """
    network, recipe, checkpoint = trained_unet(path)
    return Segmenter(for_prediction(network, device), recipe, checkpoint.provenance, checkpoint.problems)


def trained_unet(path: Path) -> tuple[UNet, SegmentationRecipe, Checkpoint]:
    """Rebuild the network of a checkpoint as it was trained, on the processor.

    Raises
    ------
    CheckpointError
        Where the file is no checkpoint of a network that segments.
    """
    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    if not isinstance(recipe, SegmentationRecipe):
        remedy = "Fine-tune it first: `cmr-ssp finetune FOLDER --from RUN --run RUN2`."
        raise CheckpointError.of(path, "is a pretrained network, which does not segment yet", remedy)
    network = UNet(recipe.network.channels, N_CLASSES, deep_supervision=recipe.loss.deep_supervision)
    load_weights(network, checkpoint, path)
    return network, recipe, checkpoint


def with_weights(network: UNet, checkpoint: Checkpoint, path: Path, device: torch.device) -> UNet:
    """Return the network with the weights of a checkpoint, on the device and for prediction alone.

    Raises
    ------
    CheckpointError
        Where they are of another network.
    """
    load_weights(network, checkpoint, path)
    return for_prediction(network, device)


def load_weights(network: UNet, checkpoint: Checkpoint, path: Path) -> None:
    """Give a network the weights of a checkpoint.

    Raises
    ------
    CheckpointError
        Where they are of another network.
    """
    try:
        network.load_state_dict(checkpoint.network)
    except RuntimeError:
        remedy = "Copy the run again; the file was altered."
        raise CheckpointError.of(path, "its weights do not fit its own recipe", remedy) from None


def for_prediction(network: UNet, device: torch.device) -> UNet:
    """Return a network on the device, with its batch norms folded into the convolutions."""
    folded = fold_norms(network)
    folded.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return folded
