"""Cross-entropy plus soft Dice loss with deep supervision, for partially labelled slices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from cmr_ssp.anatomy import N_CLASSES
from cmr_ssp.recipes import SegmentationLoss


class SegmentationCriterion:
    """Cross-entropy plus soft Dice loss (see docs/methods.md).

    If a structure was not drawn, its pixels are labelled as background. Its probability is then added to that
    of the background before the cross-entropy, and its Dice is omitted.
    """

    def __init__(self, settings: SegmentationLoss) -> None:
        from monai.losses import DiceLoss  # takes two seconds to import; segmentation does not need it

        self._settings = settings
        self._dice = DiceLoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            smooth_nr=settings.smoothing,
            smooth_dr=settings.smoothing,
            reduction="none",
        )

    def __call__(
        self,
        outputs: Tensor | Sequence[Tensor],
        labels: Tensor,
        drawn: Tensor,
        n_drawn: float | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Compute the mean loss of a batch.

        Parameters
        ----------
        outputs : Tensor or sequence of Tensor, shape (batch, class, row, column)
            Logits at full resolution, or at several resolutions with the full one first.
        labels : Tensor of uint8, shape (batch, row, column)
            At full resolution.
        drawn : Tensor of bool, shape (batch, structure)
            Structures that are labelled.
        n_drawn : float, optional
            Divisor of the summed Dice losses; by default the number of True values in `drawn`.
        weights : Tensor, shape (batch,), optional
            Weight of each slice; by default 1.
        """
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        if n_drawn is None:
            n_drawn = max(1.0, float(drawn.sum()))
        halving = [0.5**step for step in range(len(outputs))]
        total = outputs[0].new_zeros((), dtype=torch.float32)
        for weight, logits in zip(halving, outputs, strict=True):
            small = functional.interpolate(labels[:, None], size=logits.shape[2:], mode="nearest-exact")
            total = total + weight / sum(halving) * self._at_one_resolution(
                logits.float(), small, drawn, n_drawn, weights
            )
        return total

    def _at_one_resolution(
        self, logits: Tensor, labels: Tensor, drawn: Tensor, n_drawn: float, weights: Tensor | None
    ) -> Tensor:
        settings = self._settings
        log_p = functional.log_softmax(logits, dim=1)
        if not bool(drawn.all()):
            log_p = merge_into_background(log_p, drawn)
        dice: Tensor = self._dice(logits, labels).flatten(1)[:, : N_CLASSES - 1] * drawn
        if weights is None:
            cross_entropy = functional.nll_loss(log_p, labels[:, 0].long())
        else:
            by_pixel = functional.nll_loss(log_p, labels[:, 0].long(), reduction="none")
            cross_entropy, dice = (by_pixel * weights[:, None, None]).mean(), dice * weights[:, None]
        mean_dice = dice.sum() / n_drawn
        return settings.cross_entropy * cross_entropy + settings.dice * mean_dice


def merge_into_background(log_p: Tensor, drawn: Tensor) -> Tensor:
    """Add the probability of structures that are not labelled to that of the background.

    Parameters
    ----------
    log_p : Tensor, shape (batch, class, row, column)
        Log-probabilities.
    drawn : Tensor of bool, shape (batch, structure)
        Structures that are labelled.
    """
    kept = functional.pad(drawn, (1, 0), value=False)[:, :, None, None]  # the background is included
    background = torch.logsumexp(log_p.masked_fill(kept, -torch.inf), dim=1, keepdim=True)
    return torch.cat((background, log_p[:, 1:]), dim=1)
