"""Reconstruct the hidden patches of slices, to show what masked image modelling has learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_ssp.devices import autocast
from cmr_ssp.errors import CheckpointError, ImageError, Problem, RecipeError
from cmr_ssp.methods.mim.patch_mask import draw_patch_mask
from cmr_ssp.methods.mim.recipe import MimRecipe, PatchMask
from cmr_ssp.networks import UNet
from cmr_ssp.prediction.batches import InPlane, crop_centre, slice_batches, slices_at_once
from cmr_ssp.prediction.segmenter import with_weights
from cmr_ssp.recipes import Crop
from cmr_ssp.runs import Provenance
from cmr_ssp.samples.heart import find_heart
from cmr_ssp.samples.resampling import no_placement, resample
from cmr_ssp.samples.seeding import generator
from cmr_ssp.samples.standardise import standardise
from cmr_ssp.weights import load_checkpoint

Images = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Rebuilder:
    """A network that reconstructs hidden patches, with its recipe, provenance and problems."""

    network: UNet
    recipe: MimRecipe
    provenance: Provenance
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """Slices with hidden patches and their reconstruction by a network.

    All images have the shape (slice, row, column) of the crop, in the standardised units of the network: mean
    0 and standard deviation 1 over the whole cine.

    Attributes
    ----------
    image, masked : ndarray of float32
        Original, and the input of the network: 0 where hidden.
    mask : ndarray of bool
        True where a pixel is hidden.
    rebuilt : ndarray of float32
        Output of the network, meaningless where a patch was visible; see `composed`.
    error : ndarray of float32
        Absolute difference of `rebuilt` and `image` where hidden, 0 elsewhere.
    mean_error : ndarray of float64, shape (slice,)
        Mean squared error over the hidden pixels of each slice, the training loss; NaN if none is hidden.
    frame : int
        Frame of the cine.
    slices : tuple of int
        Slices of the cine.
    spacing_mm : float
        Distance between rows and columns of the crop.
    origin_mm : tuple of float
        Centre of the crop's first pixel (row, column), counted from the centre of the cine's first pixel.
    heart_sure : bool
        False if motion did not locate the heart, as in a single frame.
    """

    image: Images
    masked: Images
    mask: NDArray[np.bool_]
    rebuilt: Images
    error: Images
    mean_error: NDArray[np.float64]
    frame: int
    slices: tuple[int, ...]
    spacing_mm: float
    origin_mm: InPlane
    heart_sure: bool

    @property
    def composed(self) -> Images:
        """The original, with the hidden patches replaced by their reconstruction."""
        return np.where(self.mask, self.rebuilt, self.image)


def load_rebuilder(path: Path, device: torch.device) -> Rebuilder:
    """Load the network of a checkpoint.

    Raises
    ------
    CheckpointError
        If the file is not a checkpoint of masked image modelling.
    """
    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    if not isinstance(recipe, MimRecipe):
        remedy = "Choose a run of `cmr-ssp pretrain`."
        raise CheckpointError.of(path, "segments and does not reconstruct hidden patches", remedy)
    network = UNet(recipe.network.channels, 1, deep_supervision=False)
    network = with_weights(network, checkpoint, path, device)
    return Rebuilder(network, recipe, checkpoint.provenance, checkpoint.problems)


def rebuild(
    rebuilder: Rebuilder,
    pixels: NDArray[np.float32],
    spacing_mm: InPlane,
    frame: int,
    slices: Sequence[int] | None = None,
    *,
    seed: int = 0,
    hidden: float | None = None,
) -> Reconstruction:
    """Hide patches of slices of one frame and reconstruct them.

    The mask depends only on `seed`, `frame` and slice; with a larger fraction, hidden patches stay hidden.

    Parameters
    ----------
    rebuilder : Rebuilder
        Network and recipe.
    pixels : ndarray, shape (frame, slice, row, column)
        The whole cine: standardisation and heart centre depend on all frames.
    spacing_mm : tuple of float
        Distance between rows and between columns.
    frame, slices
        Frame and slices to reconstruct; by default all slices.
    seed : int
        Seed of the masks.
    hidden : float, optional
        Fraction of the patches to hide, 0 to 1; by default that of the recipe.

    Raises
    ------
    ImageError
        If the cine has no such frame or slice.
    RecipeError
        If `hidden` is outside 0 to 1.
    """
    chosen = tuple(range(pixels.shape[1]) if slices is None else slices)
    check_choice("cine", pixels.shape, frame, chosen)
    crop, settings = rebuilder.recipe.crop, _mask_settings(rebuilder.recipe.mask, hidden)
    cine = standardise(pixels)
    heart = find_heart(cine.levels, spacing_mm)
    centre = crop_centre(cine.levels.shape, (heart.row, heart.column), crop)
    drawn = torch.cat(
        [draw_patch_mask(1, crop.size_px, settings, generator(seed, frame, place)) for place in chosen]
    )
    levels = cine.levels[frame, list(chosen)]
    image, rebuilt = _seen_and_rebuilt(rebuilder.network, levels, cine.mean, spacing_mm, centre, crop, drawn)
    mask = drawn[:, 0].numpy()
    error = np.where(mask, np.abs(rebuilt - image), np.float32(0))
    half_mm = (crop.size_px - 1) / 2 * crop.spacing_mm
    return Reconstruction(
        image=image,
        masked=np.where(mask, np.float32(0), image),
        mask=mask,
        rebuilt=rebuilt,
        error=error,
        mean_error=_mean_squares(error, mask),
        frame=frame,
        slices=chosen,
        spacing_mm=crop.spacing_mm,
        origin_mm=(
            (centre[0] + cine.top) * spacing_mm[0] - half_mm,
            (centre[1] + cine.left) * spacing_mm[1] - half_mm,
        ),
        heart_sure=heart.sure,
    )


def check_choice(where: str, shape: Sequence[int], frame: int, slices: Sequence[int]) -> None:
    """Check that a cine of a shape (frame, slice, ...) has the frame and slices.

    Raises
    ------
    ImageError
        If any is missing; the error names all of them.
    """
    chosen = [("frame", frame, shape[0]), *(("slice", place, shape[1]) for place in slices)]
    problems = [
        Problem(where, f"it has no {axis} {place}", f"Choose a {axis} from 0 to {n - 1}.")
        for axis, place, n in chosen
        if not 0 <= place < n
    ]
    if not slices:
        problems.append(Problem(where, "no slice was chosen", "Choose at least one."))
    if problems:
        raise ImageError(*problems)


def _mask_settings(settings: PatchMask, hidden: float | None) -> PatchMask:
    if hidden is None:
        return settings
    if not 0 <= hidden <= 1:
        raise RecipeError.of(
            "hidden", f"{hidden} is not a fraction of the patches", "Choose a number from 0 to 1."
        )
    return PatchMask(patch_px=settings.patch_px, hidden=hidden)


@torch.inference_mode()
def _seen_and_rebuilt(
    network: UNet,
    levels: NDArray[np.floating],
    mean: float,
    spacing_mm: InPlane,
    centre_px: InPlane,
    crop: Crop,
    mask: Tensor,
) -> tuple[Images, Images]:
    """Return crops of slices (slice, row, column) and their reconstruction by the network."""
    device = next(network.parameters()).device
    batches = slice_batches(levels, mean, spacing_mm, centre_px, crop, device)
    images = torch.cat([resample(batch, no_placement(len(batch.levels)), crop)[0] for batch in batches])
    visible = images.masked_fill(mask.to(device), 0.0).contiguous(memory_format=torch.channels_last)
    with autocast(device):
        outputs = [network(part).float() for part in torch.split(visible, slices_at_once(crop, device))]
    return images[:, 0].cpu().numpy(), torch.cat(outputs)[:, 0].cpu().numpy()


def _mean_squares(error: Images, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the hidden pixels of each slice, NaN if there are none."""
    squares = np.square(error, dtype=np.float64).sum(axis=(1, 2))
    hidden = mask.sum(axis=(1, 2))
    means = np.full(len(hidden), np.nan)
    np.divide(squares, hidden, out=means, where=hidden > 0)
    return means
