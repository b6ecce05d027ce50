"""Masked image modelling: reconstruct the hidden patches of a slice (see docs/methods.md)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.devices import autocast
from cmr_ssp.events import Event, ReconstructionReady
from cmr_ssp.methods.mim.patch_mask import draw_patch_mask
from cmr_ssp.methods.mim.recipe import MimRecipe
from cmr_ssp.methods.objective import PretrainObjective
from cmr_ssp.networks import UNet
from cmr_ssp.runs import Run
from cmr_ssp.runs.records import RecordedSlices, delete_records, has_records, write_record, write_slices
from cmr_ssp.samples.seeding import generator
from cmr_ssp.training import TrainingLength

_MASK_STREAM = 1  # separate from the random stream of augmentation
_RECORD_STREAM = 3
_N_RECORDED, _N_RECORDS = 8, 20


def masked_mse(prediction: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error over hidden pixels.

    Parameters
    ----------
    prediction, images : Tensor, shape (batch, 1, row, column)
        Reconstruction and original.
    mask : Tensor of bool, same shape
        True where a pixel is hidden.
    """
    # In single precision: sums in half precision over a mask overflow.
    return (prediction.float() - images.float())[mask].square().mean()


class MimObjective(PretrainObjective[MimRecipe]):
    """Trains encoder and decoder to reconstruct the hidden patches."""

    def make_network(self) -> nn.Module:
        """Return the U-Net with one output and no deep supervision."""
        return UNet(self.recipe.network.channels, 1, deep_supervision=False)

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Return the error over the hidden patches of augmented slices."""
        keep = self.processes.part(len(samples))
        images = self.views(samples, seed, augmentation=self.recipe.augmentation, keep=keep)
        mask = self._mask(len(samples), (*seed, _MASK_STREAM))
        return self._masked_loss(network, images, mask if keep is None else mask[keep])

    def measure(self, samples: NDArray[np.int64], seed: tuple[int, ...]) -> dict[str, float]:
        """Return the negative error over the hidden patches of slices without augmentation."""
        images = self.views(samples, seed, augmentation=None)
        error = self._masked_loss(self.network, images, self._mask(len(samples), seed))
        return {"validation_negative_error": -float(error)}

    def _mask(self, n: int, seed: tuple[int, ...]) -> Tensor:
        return draw_patch_mask(n, self.recipe.crop.size_px, self.recipe.mask, generator(*seed))

    def _masked_loss(self, network: nn.Module, images: Tensor, mask: Tensor) -> Tensor:
        mask = mask.to(self.device)
        return masked_mse(network(images.masked_fill(mask, 0.0)), images, mask)

    @torch.inference_mode()
    def save_reconstructions(self, run: Run, update: int, length: TrainingLength) -> Event | None:
        """Reconstruct a few slices, always the same ones with the same hidden patches.

        These are validation slices, or training slices if there is no validation subject. The first record
        comes from the untrained network.
        """
        every = self.recipe.records_every
        due = update % every == 0 if every else length.ends_share(update, _N_RECORDS)
        if not (due or update in (0, length.updates)):
            return None
        role, of = (
            ("validation", self.validation_samples)
            if len(self.validation_samples)
            else ("train", self.samples)
        )
        chosen = spread_slices(self.bank.index, of, self.recipe.seed)
        seed = (self.recipe.seed, _RECORD_STREAM)
        images, mask = self.views(chosen, seed, augmentation=None), self._mask(len(chosen), seed)
        if not has_records(run):
            write_slices(run, self._about(chosen, role, images, mask))
        self.network.eval()
        with autocast(self.device):
            rebuilt = self.network(images.masked_fill(mask.to(self.device), 0.0))
        return ReconstructionReady(write_record(run, update, _half(rebuilt)), update)

    def delete_reconstructions(self, run: Run, after: int) -> None:
        """Remove the records of updates that will be repeated."""
        delete_records(run, after)

    def _about(self, chosen: NDArray[np.int64], role: str, images: Tensor, mask: Tensor) -> RecordedSlices:
        places = tuple(
            (self.bank.subject_ids[entry["subject"]], int(entry["frame"]), int(entry["slice"]))
            for entry in self.bank.index[chosen]
        )
        spacing_mm = self.recipe.crop.spacing_mm
        return RecordedSlices(_half(images), mask[:, 0].numpy(), places, role, spacing_mm)


def spread_slices(index: NDArray[np.void], samples: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Draw a few samples, spread over subjects, slices and frames.

    Parameters
    ----------
    index : structured ndarray of `SLICE`
        Index of the whole bank.
    samples : ndarray of int
        Samples to choose from.
    seed : int
        Random seed.
    """
    random = np.random.default_rng((seed, _RECORD_STREAM))
    subjects = random.permutation(np.unique(index["subject"][samples]))
    parts = (np.arange(_N_RECORDED) + 0.5) / _N_RECORDED
    chosen = []
    for subject, *at in zip(
        np.resize(subjects, _N_RECORDED), *map(random.permutation, (parts, parts)), strict=True
    ):
        left = samples[index["subject"][samples] == subject]
        for axis, part in zip(("slice", "frame"), at, strict=True):
            there = np.unique(index[axis][left])
            left = left[index[axis][left] == there[int(part * len(there))]]
        chosen.append(left[0])
    return np.unique(chosen)


def _half(images: Tensor) -> NDArray[np.float16]:
    """Convert images (slice, 1, row, column) to the stored form: (slice, row, column), half precision."""
    most = float(np.finfo(np.float16).max)
    return images[:, 0].float().clamp(-most, most).cpu().numpy().astype(np.float16)
