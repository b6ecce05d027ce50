"""The loss of DINO and the temperature of its teacher (see docs/methods.md)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cmr_ssp.methods.dino.recipe import TeacherSettings
from cmr_ssp.training import TrainingLength


def dino_loss(student: Tensor, teacher: Tensor, centre: Tensor, temperatures: tuple[float, float]) -> Tensor:
    """Return the cross-entropy of the student's output for each view with the teacher's for the other views.

    Parameters
    ----------
    student : Tensor, shape (view, batch, output)
        The global views come first.
    teacher : Tensor, shape (global view, batch, output)
        Outputs for the same global views.
    centre : Tensor, shape (output,)
        Subtracted from the teacher's outputs.
    temperatures : tuple of float
        Temperatures of student and teacher.
    """
    log_p = functional.log_softmax(student.float() / temperatures[0], dim=-1)
    q = teacher_probabilities(teacher, centre, temperatures[1])
    # (global view, view); pairs of a view with itself are excluded below
    pairs = -torch.einsum("gbk,vbk->gv", q, log_p) / student.shape[1]
    others = ~torch.eye(*pairs.shape, dtype=torch.bool, device=pairs.device)
    return pairs[others].mean()


def teacher_probabilities(teacher: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """Return the teacher's probabilities, centred and sharpened."""
    return functional.softmax((teacher.float() - centre) / temperature, dim=-1)


def teacher_temperature(settings: TeacherSettings, update: int, length: TrainingLength) -> float:
    """Return the temperature at a 0-based update; it rises linearly until the last step of the warm-up.

    Parameters
    ----------
    settings : TeacherSettings
        Temperatures, length of the warm-up, and whether its steps are epochs or updates.
    update : int
        Counts from 0.
    length : TrainingLength
        Length of the whole training.
    """
    total = length.epochs if settings.warmup_per == "epoch" else length.updates
    step, steps = length.progress(update, settings.warmup_per) * total, round(settings.warmup * total)
    if step >= steps:
        return settings.temperature
    first, last = settings.first_temperature, settings.temperature
    return first + (last - first) * min(1.0, step / max(1, steps - 1))
