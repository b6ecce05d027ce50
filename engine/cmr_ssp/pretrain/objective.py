"""The slots that every pretraining method fills."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.events import Cancel
from cmr_ssp.recipes import Augmentation, Crop, PretrainRecipe
from cmr_ssp.samples.bank import SliceBank
from cmr_ssp.samples.views import make_views
from cmr_ssp.training import Objective

_VALIDATION_STREAM = 2  # apart from the streams that train


class PretrainObjective(Objective):
    """A method of pretraining: its network with heads, its views and loss, and what is transferred.

    Parameters
    ----------
    bank : SliceBank
        Where the slices come from.
    samples, validation_samples : ndarray of int
        Which of them train, and which only measure.
    recipe : PretrainRecipe
        Of the method.
    device : torch.device
        Where it happens.
    """

    transferred: ClassVar[tuple[str, ...]]
    """The parts of the network that fine-tuning starts from; never a head."""

    measure: ClassVar[str] = "validation_negative_loss"
    """What `validate` calls the negative of the loss."""

    n_views: ClassVar[int] = 1
    """Views of a slice that the network takes."""

    validation_batch: int = 32
    """Slices that are measured at once."""

    def __init__(
        self,
        bank: SliceBank,
        samples: NDArray[np.int64],
        validation_samples: NDArray[np.int64],
        recipe: PretrainRecipe,
        device: torch.device,
    ) -> None:
        self.samples = samples
        self._validation_samples = validation_samples
        self._bank, self._base_recipe, self._device = bank, recipe, device
        self.network = self.make_network(recipe).to(device)

    @abstractmethod
    def make_network(self, recipe: PretrainRecipe) -> nn.Module:
        """Return the network; its parts that are transferred are called as in the U-Net."""

    @abstractmethod
    def validation_loss(self, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Return the mean loss of validation slices; changes nothing."""

    def inputs(self, n: int) -> Any:
        """Return images as the network takes them for `n` slices, of the right size and without content."""
        size = self._base_recipe.crop.size_px
        return torch.zeros(n * self.n_views, 1, size, size, device=self._device)

    def views(
        self,
        samples: NDArray[np.int64],
        seed: tuple[int, ...],
        *,
        augmentation: Augmentation | None,
        crop: Crop | None = None,
        n_views: int = 1,
    ) -> Tensor:
        """Return views of each slice, channels last, shape (n_views * batch, 1, size, size)."""
        views = make_views(
            self._bank,
            samples,
            crop or self._base_recipe.crop,
            augmentation,
            seed,
            self._device,
            with_labels=False,
            n_views=n_views,
        )
        return views.images.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def validate(self, cancel: Cancel | None = None) -> dict[str, float]:
        """Return the negative loss on validation slices, drawn in the same way every time."""
        cancel, samples = cancel or Cancel(), self._validation_samples
        if len(samples) < min(2, self.validation_batch):
            return {}
        self.network.eval()
        total = 0.0
        for number, piece in enumerate(np.array_split(samples, -(-len(samples) // self.validation_batch))):
            cancel.check()
            seed = (self._base_recipe.seed, _VALIDATION_STREAM, number)
            total += float(self.validation_loss(piece, seed)) * len(piece)
        return {self.measure: -total / len(samples)}
