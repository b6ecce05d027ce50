"""The networks of DINO: a student, and a teacher whose weights are a moving average of the student's."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_ssp.methods.dino.recipe import DinoRecipe
from cmr_ssp.networks import Encoder, PooledEncoder, pooled_features

N_GLOBAL = 2
"""Views that student and teacher both see."""


class PrototypeHead(nn.Module):
    """DINO's head: a perceptron with a bottleneck, compared with prototypes by cosine similarity.

    The last layer is weight-normalised to length 1, so its outputs are cosines.
    """

    def __init__(self, inputs: int, hidden: int, bottleneck: int, outputs: int) -> None:
        super().__init__()
        self.perceptron = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        self.prototypes = nn.Linear(bottleneck, outputs, bias=False)
        for layer in self.perceptron:
            if isinstance(layer, nn.Linear):  # as in the authors' code
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosine similarity of pooled features to every prototype, shape (batch, output)."""
        direction = functional.normalize(self.perceptron(features), dim=1)
        return functional.linear(direction, functional.normalize(self.prototypes.weight, dim=1))


class DinoNetwork(nn.Module):
    """Student (`encoder`, `head`), teacher, centre, and the statistics observed last.

    Parameters
    ----------
    recipe : DinoRecipe
        Sizes of the networks and initialisation of the teacher.
    """

    centre: Tensor
    watched: Tensor

    def __init__(self, recipe: DinoRecipe) -> None:
        super().__init__()
        self.encoder, self.head = _parts(recipe)
        student = PooledEncoder(self.encoder, self.head)
        self.teacher = deepcopy(student) if recipe.teacher.starts_as_copy else PooledEncoder(*_parts(recipe))
        self.teacher.requires_grad_(False)
        self.register_buffer("centre", torch.zeros(recipe.head.outputs))
        self.register_buffer("watched", torch.zeros(2))  # entropy, information; stored to resume exactly

    def forward(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the outputs of student (view, batch, output) and teacher (global view, batch, output).

        The first two views, each (batch, 1, row, column), are global; all others have the same size.
        """
        together = torch.cat(views[:N_GLOBAL])
        pooled = [pooled_features(self.encoder, together)]
        if len(views) > N_GLOBAL:
            pooled.append(pooled_features(self.encoder, torch.cat(views[N_GLOBAL:])))
        student = self.head(torch.cat(pooled))
        with torch.no_grad():
            teacher = self.teacher(together)
        return student.unflatten(0, (len(views), -1)), teacher.unflatten(0, (N_GLOBAL, -1))

    @torch.no_grad()
    def move_teacher(self, momentum: float) -> None:
        """Update the teacher's moving average of weights; batch statistics are not copied."""
        student = (*self.encoder.parameters(), *self.head.parameters())
        for mine, theirs in zip(self.teacher.parameters(), student, strict=True):
            mine.lerp_(theirs.detach(), 1 - momentum)


def _parts(recipe: DinoRecipe) -> tuple[Encoder, PrototypeHead]:
    channels, head = recipe.network.channels, recipe.head
    return Encoder(channels), PrototypeHead(channels[-1], head.hidden, head.bottleneck, head.outputs)
