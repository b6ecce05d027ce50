"""Random patch masks for masked image modelling; True where a pixel is hidden."""

from __future__ import annotations

import torch
from torch import Tensor

from cmr_ssp.methods.mim.recipe import PatchMask


def draw_patch_mask(n: int, size_px: int, settings: PatchMask, generator: torch.Generator) -> Tensor:
    """Draw random masks that hide the same number of patches in every image.

    Returns
    -------
    Tensor of bool, shape (n, 1, size_px, size_px)
        True where a pixel is hidden.
    """
    side = size_px // settings.patch_px
    hidden = round(settings.hidden * side**2)
    ranks = torch.rand(n, side**2, generator=generator).argsort(dim=1).argsort(dim=1)
    patches = (ranks < hidden).reshape(n, 1, side, side)
    return patches.repeat_interleave(settings.patch_px, 2).repeat_interleave(settings.patch_px, 3)
