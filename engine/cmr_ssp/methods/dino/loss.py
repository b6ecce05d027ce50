"""The loss of DINO and the temperature of its teacher (method page, DINO)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cmr_ssp.methods.dino.recipe import TeacherSettings
from cmr_ssp.training import TrainingLength


def dino_loss(student: Tensor, teacher: Tensor, centre: Tensor, temperatures: tuple[float, float]) -> Tensor:
    """Return the cross-entropy between the teacher's word on a view and the student's on every other view.

    Parameters
    ----------
    student : Tensor, shape (view, batch, output)
        The global views come first.
    teacher : Tensor, shape (global view, batch, output)
        Of the same global views.
    centre : Tensor, shape (output,)
        Subtracted from the teacher's outputs.
    temperatures : tuple of float
        Of student and teacher.
    """
    log_p = functional.log_softmax(student.float() / temperatures[0], dim=-1)
    q = teacher_word(teacher, centre, temperatures[1])
    # (global view, view): all pairs at once, then without those of a view with itself
    pairs = -torch.einsum("gbk,vbk->gv", q, log_p) / student.shape[1]
    others = ~torch.eye(*pairs.shape, dtype=torch.bool, device=pairs.device)
    return pairs[others].mean()


def teacher_word(teacher: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """Return the teacher's probabilities, centred and sharpened."""
    return functional.softmax((teacher.float() - centre) / temperature, dim=-1)


def teacher_temperature(settings: TeacherSettings, update: int, length: TrainingLength) -> float:
    """Return the temperature at a 0-based update: it climbs evenly until the warm-up's last step.

    Parameters
    ----------
    settings : TeacherSettings
        The temperatures, how long the warm-up is, and whether its steps are epochs or updates.
    update : int
        Counts from 0.
    length : TrainingLength
        Of the whole training.
    """
    total = length.epochs if settings.warmup_per == "epoch" else length.updates
    step, steps = length.progress(update, settings.warmup_per) * total, round(settings.warmup * total)
    if step >= steps:
        return settings.temperature
    first, last = settings.first_temperature, settings.temperature
    return first + (last - first) * min(1.0, step / max(1, steps - 1))
