"""Base class of the objectives of all pretraining methods."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.errors import RecipeError
from cmr_ssp.events import Cancel
from cmr_ssp.recipes import Augmentation, Crop, PretrainRecipe, method
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.views import make_views
from cmr_ssp.training import Objective

_VALIDATION_STREAM = 1 << 31  # not the number of any update

RecipeT = TypeVar("RecipeT", bound=PretrainRecipe)


class PretrainObjective(Objective, Generic[RecipeT]):
    """Objective of a pretraining method: network with heads, views, loss and validation measures.

    Parameters
    ----------
    bank : SliceBank
        Source of the slices.
    samples, validation_samples : ndarray of int
        Training and validation slices.
    recipe : PretrainRecipe
        Recipe of the method.
    device : torch.device
        Device to train on.
    """

    n_views: ClassVar[int] = 1
    """Number of views per slice."""

    validation_batch: int = 32
    """Number of slices per validation batch."""

    def __init__(
        self,
        bank: SliceBank,
        samples: NDArray[np.int64],
        validation_samples: NDArray[np.int64],
        recipe: RecipeT,
        device: torch.device,
    ) -> None:
        self.samples = samples
        self.validation_samples = validation_samples
        self.bank, self.recipe, self.device = bank, recipe, device
        self.network = self.make_network().to(device)

    @abstractmethod
    def make_network(self) -> nn.Module:
        """Create the network; fine-tuning uses its parts `encoder` and `decoder`, as in `UNet`."""

    @abstractmethod
    def measure(self, samples: NDArray[np.int64], seed: tuple[int, ...]) -> dict[str, float]:
        """Return the mean of each measure over validation slices, without changing any state.

        The first measure selects the best checkpoint: higher is better.
        """

    def inputs(self, n: int) -> Any:
        """Return zeros in the shape of the network's input for `n` slices."""
        size = self.recipe.crop.size_px
        return torch.zeros(n * self.n_views, 1, size, size, device=self.device)

    def views(
        self,
        samples: NDArray[np.int64],
        seed: tuple[int, ...],
        *,
        augmentation: Augmentation | None,
        crop: Crop | None = None,
        n_views: int = 1,
        keep: NDArray[np.int64] | None = None,
    ) -> Tensor:
        """Return views of all or the kept slices, channels last, shape (n_views * n, 1, size, size)."""
        views = make_views(
            self.bank,
            samples,
            crop or self.recipe.crop,
            augmentation,
            seed,
            self.device,
            with_labels=False,
            n_views=n_views,
            keep=keep,
        )
        return views.images.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def validate(self, cancel: Cancel | None = None) -> dict[str, float]:
        """Return the mean measures over the validation slices, with the same random numbers every time.

        The slices are shuffled with a fixed seed, since neighbours are frames of one slice, whose views are
        hard to tell apart.
        """
        cancel = cancel or Cancel()
        shuffle = np.random.default_rng((self.recipe.seed, _VALIDATION_STREAM))
        samples = shuffle.permutation(self.validation_samples)
        totals: dict[str, float] = {}
        if not len(samples):
            return totals
        self.network.eval()
        for number, piece in enumerate(np.array_split(samples, -(-len(samples) // self.validation_batch))):
            cancel.check()
            seed = (self.recipe.seed, _VALIDATION_STREAM, number)
            for name, value in self.measure(piece, seed).items():
                totals[name] = totals.get(name, 0.0) + value * len(piece) / len(samples)
        return totals


def make_objective(
    bank: SliceBank,
    samples: NDArray[np.int64],
    validation_samples: NDArray[np.int64],
    recipe: PretrainRecipe,
    device: torch.device,
) -> PretrainObjective[Any]:
    """Return the objective of a recipe's method; see `PretrainObjective` for the parameters.

    Raises
    ------
    RecipeError
        If the package of the method does not define it.
    """
    found = method(recipe.method)
    objective = found.load_objective()
    if not (isinstance(objective, type) and issubclass(objective, PretrainObjective)):
        what = f"its objective '{found.objective}' is not a subclass of PretrainObjective"
        remedy = "Update or uninstall the package that provides it."
        raise RecipeError.of(f"method '{found.name}'", what, remedy)
    return objective(bank, samples, validation_samples, recipe, device)
