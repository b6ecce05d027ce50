"""Rebuild the hidden patches of slices, to look at what masked image modelling learnt."""

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
    """A network that rebuilds hidden patches, its recipe, what it has seen, and what could not be checked."""

    network: UNet
    recipe: MimRecipe
    provenance: Provenance
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """What a network made of slices whose patches were hidden.

    All images have the shape (slice, row, column) of the crop and the standardised units that the network
    sees: deviations of the whole cine from its mean.

    Attributes
    ----------
    image, masked : ndarray of float32
        What was there, and what the network saw of it: 0 where hidden.
    mask : ndarray of bool
        True is hidden.
    rebuilt : ndarray of float32
        The network's output, which means nothing where a patch was visible; see `composed`.
    error : ndarray of float32
        Absolute difference of `rebuilt` and `image` where hidden, 0 elsewhere.
    mean_error : ndarray of float64, shape (slice,)
        Mean squared error over a slice's hidden pixels, which training minimises; NaN where none is hidden.
    frame : int
        The frame of the cine.
    slices : tuple of int
        Which slices of the cine these are.
    spacing_mm : float
        Distance between the crop's rows and columns.
    origin_mm : tuple of float
        Centre of the crop's first pixel (row, column), counted from the centre of the cine's first pixel.
    heart_sure : bool
        False where motion did not tell where the heart is, as in a single frame.
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
        """What was visible, with the rebuilt patches in the gaps."""
        return np.where(self.mask, self.rebuilt, self.image)


def load_rebuilder(path: Path, device: torch.device) -> Rebuilder:
    """Rebuild the network of a checkpoint.

    Raises
    ------
    CheckpointError
        Where the file is no checkpoint of masked image modelling.
    """
    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    if not isinstance(recipe, MimRecipe):
        remedy = "Choose a run of `cmr-ssp pretrain`."
        raise CheckpointError.of(path, "segments and does not rebuild hidden patches", remedy)
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
    """Hide patches of slices of one frame and let the network rebuild them.

    The mask depends on `seed`, `frame` and the slice alone, and hiding more keeps hidden what was.

    Parameters
    ----------
    rebuilder : Rebuilder
        Network and recipe.
    pixels : ndarray, shape (frame, slice, row, column)
        The whole cine: intensities and the heart's place depend on all frames.
    spacing_mm : tuple of float
        Distance between rows and between columns.
    frame, slices
        What to rebuild; all slices unless given.
    seed : int
        Draws the masks.
    hidden : float, optional
        Share of the patches to hide, 0 to 1, instead of the recipe's.

    Raises
    ------
    ImageError
        Where the cine has no such frame or slice.
    RecipeError
        Where `hidden` is no share.
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
    """Refuse frames and slices that a cine of a shape (frame, slice, ...) does not have.

    Raises
    ------
    ImageError
        Naming all of them.
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
        raise RecipeError.of("hidden", f"{hidden} is no share of the patches", "Choose one from 0 to 1.")
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
    """Return crops of slices (slice, row, column) and what the network makes of them where hidden."""
    device = next(network.parameters()).device
    batches = slice_batches(levels, mean, spacing_mm, centre_px, crop, device)
    images = torch.cat([resample(batch, no_placement(len(batch.levels)), crop)[0] for batch in batches])
    visible = images.masked_fill(mask.to(device), 0.0).contiguous(memory_format=torch.channels_last)
    with autocast(device):
        outputs = [network(part).float() for part in torch.split(visible, slices_at_once(crop, device))]
    return images[:, 0].cpu().numpy(), torch.cat(outputs)[:, 0].cpu().numpy()


def _mean_squares(error: Images, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over hidden pixels a slice, NaN where there are none."""
    squares = np.square(error, dtype=np.float64).sum(axis=(1, 2))
    hidden = mask.sum(axis=(1, 2))
    means = np.full(len(hidden), np.nan)
    np.divide(squares, hidden, out=means, where=hidden > 0)
    return means
