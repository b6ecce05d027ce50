"""Loss, projection head and objective shared by SimCLR and PCL."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cmr_ssp.methods.contrastive.recipe import ContrastiveRecipe
from cmr_ssp.methods.objective import PretrainObjective
from cmr_ssp.networks import Encoder, PooledEncoder
from cmr_ssp.training import SINGLE_PROCESS, Processes

ContrastiveT = TypeVar("ContrastiveT", bound=ContrastiveRecipe)


def contrastive_loss(features: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """Return the normalised, temperature-scaled cross-entropy, averaged over each anchor's positives.

    With one positive per anchor, this is the NT-Xent loss of SimCLR; with several, the loss of PCL. Anchors
    without positives are ignored. Needs memory for (n, n) similarities, not for (n, n, d) products.

    Parameters
    ----------
    features : Tensor, shape (n, d)
        Features of all views; they need not be normalised.
    positives : Tensor of bool, shape (n, n)
        Positive pairs; the diagonal is ignored.
    temperature : float
        Divisor of the cosine similarities.
    """
    # In single precision: at a temperature of 0.1, half precision loses the differences.
    with torch.autocast(features.device.type, enabled=False):
        directions = functional.normalize(features.float(), dim=1)
        itself = torch.eye(len(directions), dtype=torch.bool, device=directions.device)
        similarity = (directions @ directions.T / temperature).masked_fill(itself, -torch.inf)
        log_p = similarity - torch.logsumexp(similarity, dim=1, keepdim=True)
        positives = positives & ~itself
        n_positives = positives.sum(dim=1)
        # masked_fill, not a product: -inf times 0 on the diagonal is not a number.
        an_anchor = -log_p.masked_fill(~positives, 0.0).sum(dim=1) / n_positives.clamp_min(1)
        return an_anchor.sum() / (n_positives > 0).sum().clamp_min(1)


class ProjectionHead(nn.Sequential):
    """Three linear layers with ReLU between them, as in SimCLR and PCL (see docs/methods.md)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(
            nn.Linear(inputs, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, outputs),
        )


class ContrastiveObjective(PretrainObjective[ContrastiveT]):
    """Trains the encoder to find the positive pairs among the views of a batch, two per slice."""

    n_views = 2

    def make_network(self) -> nn.Module:
        """Return the encoder with the projection head."""
        self.validation_batch = self.recipe.batch_size
        channels, head = self.recipe.network.channels, self.recipe.head
        projection = ProjectionHead(channels[-1], head.hidden, head.outputs)
        return PooledEncoder(Encoder(channels), projection)

    def positives(self, samples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the positive pairs, shape (view, view), for the slice of each view.

        The views of one slice are always positive pairs, also if a batch contains the slice twice.
        """
        return np.asarray(samples[:, None] == samples)

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Return the loss of two augmented views of each slice, compared with those of all processes."""
        return self._compared(network, samples, seed, self.processes)

    def _compared(
        self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...], processes: Processes
    ) -> Tensor:
        keep, augmentation = processes.part(len(samples)), self.recipe.augmentation
        part = network(self.views(samples, seed, augmentation=augmentation, n_views=self.n_views, keep=keep))
        features = processes.gather(part, n_views=self.n_views)
        positives = torch.from_numpy(self.positives(np.tile(samples, self.n_views))).to(self.device)
        return contrastive_loss(features, positives, self.recipe.temperature)

    def measure(self, samples: NDArray[np.int64], seed: tuple[int, ...]) -> dict[str, float]:
        """Return the negative loss of two views that are the same in every validation."""
        return {
            "validation_negative_loss": -float(self._compared(self.network, samples, seed, SINGLE_PROCESS))
        }
