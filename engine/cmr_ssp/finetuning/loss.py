"""Cross-entropy plus soft Dice with deep supervision, blind to what nobody drew."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from cmr_ssp.anatomy import N_CLASSES
from cmr_ssp.recipes import SegmentationLoss


class SegmentationCriterion:
    """The loss of the method page, section U-Net.

    Where a structure was not drawn, its pixels hide among the background. Its probability is then added
    to the background's before the cross-entropy, and its Dice is left out.
    """

    def __init__(self, settings: SegmentationLoss) -> None:
        from monai.losses import DiceLoss  # two seconds, which segmenting does not need

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
        self, outputs: Tensor | Sequence[Tensor], labels: Tensor, drawn: Tensor, n_drawn: float | None = None
    ) -> Tensor:
        """Return the mean loss.

        Parameters
        ----------
        outputs : Tensor or sequence of Tensor, shape (batch, class, row, column)
            Logits, at full resolution or at several, full resolution first.
        labels : Tensor of uint8, shape (batch, row, column)
            At full resolution.
        drawn : Tensor of bool, shape (batch, structure)
            Which structures somebody drew.
        n_drawn : float, optional
            What the sum of Dices is divided by; as many as are drawn here unless given.
        """
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        if n_drawn is None:
            n_drawn = max(1.0, float(drawn.sum()))
        halving = [0.5**level for level in range(len(outputs))]
        total = outputs[0].new_zeros((), dtype=torch.float32)
        for weight, logits in zip(halving, outputs, strict=True):
            small = functional.interpolate(labels[:, None], size=logits.shape[2:], mode="nearest-exact")
            total = total + weight / sum(halving) * self._at_one_resolution(
                logits.float(), small, drawn, n_drawn
            )
        return total

    def _at_one_resolution(self, logits: Tensor, labels: Tensor, drawn: Tensor, n_drawn: float) -> Tensor:
        settings = self._settings
        log_p = functional.log_softmax(logits, dim=1)
        if not bool(drawn.all()):
            log_p = merge_into_background(log_p, drawn)
        cross_entropy = functional.nll_loss(log_p, labels[:, 0].long())
        dice: Tensor = self._dice(logits, labels).flatten(1)[:, : N_CLASSES - 1]
        mean_dice = (dice * drawn).sum() / n_drawn
        return settings.cross_entropy * cross_entropy + settings.dice * mean_dice


def merge_into_background(log_p: Tensor, drawn: Tensor) -> Tensor:
    """Add the probability of structures that nobody drew to the background's.

    Parameters
    ----------
    log_p : Tensor, shape (batch, class, row, column)
        Logarithms of probabilities.
    drawn : Tensor of bool, shape (batch, structure)
        Which structures somebody drew.
    """
    ours = functional.pad(drawn, (1, 0), value=False)[:, :, None, None]  # the background joins the sum
    background = torch.logsumexp(log_p.masked_fill(ours, -torch.inf), dim=1, keepdim=True)
    return torch.cat((background, log_p[:, 1:]), dim=1)
