"""What every pretraining method fills in."""

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

_VALIDATION_STREAM = 1 << 31  # no update has this number

RecipeT = TypeVar("RecipeT", bound=PretrainRecipe)


class PretrainObjective(Objective, Generic[RecipeT]):
    """A method of pretraining: its network with heads, its views and loss, and what is measured.

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

    n_views: ClassVar[int] = 1
    """Views of a slice that the network takes."""

    validation_batch: int = 32
    """Slices that are measured at once."""

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
        """Return the network; the parts that it hands on are called `encoder` and `decoder`, as in `UNet`."""

    @abstractmethod
    def measure(self, samples: NDArray[np.int64], seed: tuple[int, ...]) -> dict[str, float]:
        """Return the means over validation slices of what is measured; changes nothing.

        The first one chooses the best checkpoint: higher is better.
        """

    def inputs(self, n: int) -> Any:
        """Return images as the network takes them for `n` slices, of the right size and without content."""
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
        """Return views of each slice or of those kept, channels last, shape (n_views * n, 1, size, size)."""
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
        """Return what is measured on validation slices, drawn in the same way every time.

        They are shuffled first, always alike: side by side lie the frames of one slice, among which no view
        could be told from another.
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
        Where the method's package has no such objective.
    """
    found = method(recipe.method)
    objective = found.load_objective()
    if not (isinstance(objective, type) and issubclass(objective, PretrainObjective)):
        what = f"its objective '{found.objective}' is no subclass of PretrainObjective"
        remedy = "Update or uninstall the package that provides it."
        raise RecipeError.of(f"method '{found.name}'", what, remedy)
    return objective(bank, samples, validation_samples, recipe, device)
