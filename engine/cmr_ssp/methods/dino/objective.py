"""DINO: a student predicts its momentum teacher's output for other views (see docs/methods.md)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_ssp.errors import Problem
from cmr_ssp.methods.dino.loss import dino_loss, teacher_probabilities, teacher_temperature
from cmr_ssp.methods.dino.network import N_GLOBAL, DinoNetwork
from cmr_ssp.methods.dino.recipe import DinoRecipe
from cmr_ssp.methods.objective import PretrainObjective
from cmr_ssp.runs import Run
from cmr_ssp.training import SINGLE_PROCESS, Processes, TrainingLength

_REMEDY = "Start again with another learning rate or temperature, or continue and compare."
_COLLAPSED = 0.02  # fraction of the largest possible information; a network that learns is far above


class DinoObjective(PretrainObjective[DinoRecipe]):
    """Trains the encoder to give a small part of a slice the same output as the whole."""

    def make_network(self) -> nn.Module:
        """Return student and teacher with their heads."""
        recipe = self.recipe
        self._pair = DinoNetwork(recipe)
        self._temperature = recipe.teacher.first_temperature
        self._output_sum = torch.zeros(
            recipe.head.outputs
        )  # sum of the teacher's outputs since the last update
        self._n_outputs = 0
        self._is_due = False
        return self._pair

    def inputs(self, n: int) -> list[Tensor]:
        """Return zeros in the shapes of the views of both sizes."""
        views = self.recipe.views
        sizes = N_GLOBAL * [self.recipe.crop.size_px] + views.n_local * [views.local_size_px]
        return [torch.zeros(n, 1, size, size, device=self.device) for size in sizes]

    def before_update(self, update: int, length: TrainingLength) -> None:
        """Set the teacher's temperature, and freeze the last layer in the first part of the training."""
        teacher, progress = self.recipe.teacher, length.progress(update)
        self._temperature = teacher_temperature(teacher, update, length)
        frozen = progress < self.recipe.freeze_last_layer
        self._pair.head.prototypes.requires_grad_(not frozen)
        self._output_sum, self._n_outputs = torch.zeros_like(self._pair.centre), 0
        self._is_due = not frozen and progress >= teacher.warmup  # a warning before this would be premature

    def loss(self, network: nn.Module, samples: NDArray[np.int64], seed: tuple[int, ...]) -> Tensor:
        """Return the loss of two global and some local views of each slice."""
        student, teacher = network(self._views(samples, seed, self.processes))
        self._observe_teacher(teacher)
        temperatures = (self.recipe.temperature, self._temperature)
        return dino_loss(student, teacher, self._pair.centre, temperatures)

    def measure(self, samples: NDArray[np.int64], seed: tuple[int, ...]) -> dict[str, float]:
        """Return the teacher's information about a slice, and the negative loss, for fixed views.

        The loss alone would select a collapsed network, or the low temperatures of the warm-up.
        """
        student, teacher = self.network(self._views(samples, seed, SINGLE_PROCESS))
        last, centre = self.recipe.teacher.temperature, self._pair.centre
        entropy, of_mean = _entropies(
            teacher_probabilities(teacher.flatten(0, 1), centre, last), SINGLE_PROCESS
        )
        loss = dino_loss(student, teacher, centre, (self.recipe.temperature, last))
        return {
            "validation_teacher_information": float(of_mean - entropy),
            "validation_negative_loss": -float(loss),
        }

    def quality(self, mean_loss: float) -> float:
        """Return the teacher's information about the last batch; a collapsed network has a low loss too."""
        del mean_loss
        return float(self._pair.watched[1])

    @torch.no_grad()
    def after_update(self, update: int, length: TrainingLength) -> None:
        """Move teacher and centre; the momentum rises to 1 by a cosine, per update."""
        teacher, progress = self.recipe.teacher, length.progress(update)
        momentum = 1 - (1 - teacher.momentum) * (math.cos(math.pi * progress) + 1) / 2
        self._pair.move_teacher(momentum)
        if self._n_outputs:
            mean = self.processes.mean(self._output_sum / self._n_outputs)
            self._pair.centre.lerp_(mean, 1 - teacher.centre_momentum)

    def history_columns(self) -> dict[str, float]:
        """Return the teacher's mean entropy and its information about a slice, both in nats."""
        entropy, information = self._pair.watched.tolist()
        return {
            "teacher_entropy": entropy,
            "teacher_information": information,
            "centre_norm": float(self._pair.centre.norm()),
        }

    def warning(self, run: Run) -> Problem | None:
        """Return a problem if the network has collapsed: the teacher's output is the same for every slice."""
        most = math.log(min(self.recipe.head.outputs, N_GLOBAL * self.recipe.batch_size))
        if self._is_due and float(self._pair.watched[1]) < _COLLAPSED * most:
            what = "DINO has collapsed: the teacher's output is the same for every slice"
            return Problem(str(run.folder), what, _REMEDY)
        return None

    @torch.no_grad()
    def _observe_teacher(self, teacher: Tensor) -> None:
        """Accumulate the teacher's outputs for the centre, and compute the statistics that show a collapse.

        Information is the entropy of the mean probabilities minus the mean entropy: 0 if the probabilities
        are the same for all slices, whether concentrated on one class or uniform.
        """
        outputs = teacher.flatten(0, 1).float()
        self._output_sum = self._output_sum + outputs.sum(dim=0)
        self._n_outputs += len(outputs)
        p = teacher_probabilities(outputs, self._pair.centre, self._temperature)
        entropy, of_mean = _entropies(p, self.processes)
        self._pair.watched.copy_(torch.stack((entropy, of_mean - entropy)))

    def _views(self, samples: NDArray[np.int64], seed: tuple[int, ...], processes: Processes) -> list[Tensor]:
        """Return the views, each (batch, 1, size, size): two global ones first, then the local ones."""
        ranges, views, crop = self.recipe.augmentation, self.recipe.views, self.recipe.crop
        blurred = ranges.model_copy(update={"blur_p": 1.0, "blur_sigma_px": views.blur_sigma_px})
        solarised = ranges.model_copy(update={"solarise_p": views.solarise_p})
        made = [
            self.views(
                samples, (*seed, 1 + place), augmentation=augmentation, keep=processes.part(len(samples))
            )
            for place, augmentation in enumerate((blurred, solarised))
        ]
        if not views.n_local:
            return made
        shift_and_zoom = {"translation_px": views.local_translation_px, "scale": views.local_scale}
        local = self.views(
            samples,
            (*seed, 1 + N_GLOBAL),
            augmentation=ranges.model_copy(update=shift_and_zoom),
            crop=crop.model_copy(update={"size_px": views.local_size_px}),
            n_views=views.n_local,
            keep=processes.part(len(samples)),
        )
        return [*made, *local.chunk(views.n_local)]


def _entropies(p: Tensor, processes: Processes) -> tuple[Tensor, Tensor]:
    """Return the mean entropy of `p` (n, output) and the entropy of its mean, over all processes."""
    return processes.mean(_entropy(p).mean()), _entropy(processes.mean(p.mean(dim=0)))


def _entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p).sum(dim=-1)
