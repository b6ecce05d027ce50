"""The training objective of fine-tuning: loss on labelled slices and validation by 3D Dice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.anatomy import N_CLASSES, Structure
from cmr_ssp.evaluation import dice
from cmr_ssp.events import Cancel
from cmr_ssp.finetuning.loss import SegmentationCriterion
from cmr_ssp.networks import UNet
from cmr_ssp.prediction import segment_cine
from cmr_ssp.recipes import SegmentationRecipe
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.views import make_views
from cmr_ssp.training import Objective, TrainingLength

_NOTHING = np.empty(0, np.int64)
_PSEUDO_DRAWS = 1
"""Tells the draws of slices with pseudo-labels from those of the views, which have one more number."""


class SegmentationObjective(Objective):
    """Objective that trains the whole U-Net on labelled slices.

    Parameters
    ----------
    bank : SliceBank
        Source of the slices.
    samples : ndarray of int
        Indices of the labelled slices of the label budget, including slices without heart.
    validation_subjects : sequence of str
        Ids of the subjects on which validation computes the 3D Dice.
    recipe : SegmentationRecipe
        Network, crop, augmentation and loss.
    pseudo_samples : ndarray of int
        Indices of slices with pseudo-labels.
    device : torch.device
        Device of network and batches.
    """

    def __init__(
        self,
        bank: SliceBank,
        samples: NDArray[np.int64],
        validation_subjects: Sequence[str],
        recipe: SegmentationRecipe,
        device: torch.device,
        pseudo_samples: NDArray[np.int64] = _NOTHING,
    ) -> None:
        self.samples, self._pseudo_samples = samples, pseudo_samples
        self._is_pseudo = np.zeros(len(bank.index), bool)
        self._is_pseudo[pseudo_samples] = True
        self._validation_subjects = validation_subjects
        self._bank, self._recipe, self._device = bank, recipe, device
        self._criterion = SegmentationCriterion(recipe.loss)
        self._unet = UNet(
            recipe.network.channels, N_CLASSES, deep_supervision=recipe.loss.deep_supervision
        ).to(device)
        self.network: nn.Module = self._unet
        self.begin_batch(samples)

    def inputs(self, n: int) -> Tensor:
        """Return `n` zero images of the network's input size, to estimate memory and time."""
        size = self._recipe.crop.size_px
        return torch.zeros(n, 1, size, size, device=self._device)

    def with_others(
        self, samples: NDArray[np.int64], update: int, length: TrainingLength
    ) -> NDArray[np.int64]:
        """Put slices with pseudo-labels in the place of some samples, spread over the batch."""
        settings, n = self._recipe.pseudo_labels, len(samples)
        n_others = round(settings.share * n)
        if not len(self._pseudo_samples) or not n_others or length.progress(update) >= settings.until:
            return samples
        random = np.random.default_rng((self._recipe.order_seed, update, _PSEUDO_DRAWS))
        batch = samples.copy()
        batch[np.linspace(0, n - 1, n_others).round().astype(int)] = random.choice(
            self._pseudo_samples, n_others
        )
        return batch

    def begin_batch(self, samples: NDArray[np.int64]) -> None:
        """Count the labelled structures of the batch, over which the Dice loss is averaged."""
        self._drawn_a_slice = max(1.0, float(self._bank.drawn(samples).sum())) / max(1, len(samples))

    def before_update(self, update: int, length: TrainingLength) -> None:
        """Freeze the encoder during the first part of the training, as set in the recipe."""
        free = length.progress(update) >= self._recipe.freeze_encoder
        self._unet.encoder.requires_grad_(free)
        self._unet.encoder.train(free)  # frozen batch norm keeps its running statistics

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Compute the loss on augmented labelled slices."""
        recipe = self._recipe
        views = make_views(
            self._bank,
            samples,
            recipe.crop,
            recipe.augmentation,
            seed,
            self._device,
            with_labels=True,
            keep=self.processes.part(len(samples)),
        )
        images = views.images.contiguous(memory_format=torch.channels_last)
        # Scaled, so that the mean over micro-batches and processes equals the loss of the whole batch.
        n_drawn = self._drawn_a_slice * len(images)
        part = self.processes.part(len(samples))
        weights = self._weights(samples if part is None else samples[part])
        return self._criterion(network(images), views.labels, views.drawn, n_drawn, weights)

    def _weights(self, samples: NDArray[np.int64]) -> Tensor | None:
        """Return the weight of each slice, None if all are labelled."""
        is_pseudo = self._is_pseudo[samples]
        if not is_pseudo.any():
            return None
        weights = np.where(is_pseudo, self._recipe.pseudo_labels.weight, 1.0)
        return torch.from_numpy(weights.astype(np.float32)).to(self._device)

    def validate(self, cancel: Cancel | None = None) -> dict[str, float]:
        """Compute the mean 3D Dice of the validation subjects on their own grids, also by structure."""
        cancel = cancel or Cancel()
        values: dict[Structure, list[float]] = {structure: [] for structure in Structure}
        for subject_id in self._validation_subjects:
            cancel.check()
            self._add_dice(subject_id, values, cancel)
        by_structure = {s: sum(v) / len(v) for s, v in values.items() if v}
        if not by_structure:
            return {}
        mean = sum(by_structure.values()) / len(by_structure)
        return {"validation_dice": mean} | {
            f"validation_dice_{structure.name}": value for structure, value in by_structure.items()
        }

    def _add_dice(self, subject_id: str, values: dict[Structure, list[float]], cancel: Cancel) -> None:
        cine = self._bank.cine(subject_id)
        labelled = [frame for frame, drawn in enumerate(cine.drawn) if drawn]
        if not labelled:
            return
        found = segment_cine(
            self.network,
            cine.levels,
            cine.mean,
            cine.spacing_mm,
            cine.heart_px,
            self._recipe,
            labelled,
            lambda *_: cancel.check(),
        )
        for prediction, frame in zip(found, labelled, strict=True):
            for structure in cine.drawn[frame]:
                values[structure].append(dice(prediction, cine.labels[frame], structure))
