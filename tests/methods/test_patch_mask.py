from __future__ import annotations

import pytest
import torch
from cmr_ssp.methods.mim.objective import masked_mse
from cmr_ssp.methods.mim.patch_mask import draw_patch_mask
from cmr_ssp.methods.mim.recipe import PatchMask
from torch import Tensor

PAPER = PatchMask(patch_px=32, hidden=0.75)


def draw(n: int, size: int = 256, settings: PatchMask = PAPER, seed: int = 0) -> Tensor:
    return draw_patch_mask(n, size, settings, torch.Generator().manual_seed(seed))


def patches(mask: Tensor, patch: int) -> Tensor:
    """Return the corner pixel of each patch, shape (n, side, side)."""
    return mask[:, 0, ::patch, ::patch]


def test_exactly_48_of_64_patches_are_hidden_in_every_image() -> None:
    mask = draw(20)
    assert mask.shape == (20, 1, 256, 256) and mask.dtype == torch.bool
    assert patches(mask, 32).sum((1, 2)).tolist() == [48] * 20
    assert mask.sum((1, 2, 3)).tolist() == [48 * 32 * 32] * 20


def test_patches_are_hidden_whole() -> None:
    mask = draw(5)
    blocks = mask.reshape(5, 8, 32, 8, 32)
    assert torch.equal(blocks.all(4).all(2), blocks.any(4).any(2))


def test_true_is_hidden() -> None:
    mask = draw(20, 128, PatchMask(patch_px=16, hidden=0.25))
    assert float(mask.float().mean()) == 0.25
    image, wrong = torch.zeros(20, 1, 128, 128), torch.ones(20, 1, 128, 128)
    assert float(masked_mse(image.masked_fill(mask, 3.0), image, mask)) == 9.0
    assert float(masked_mse(wrong.masked_fill(mask, 0.0), image, mask)) == 0.0


@pytest.mark.parametrize(("size", "patch", "hidden", "expected"), [(128, 16, 0.6, 38), (96, 32, 0.5, 4)])
def test_other_sizes_round_to_whole_patches(size: int, patch: int, hidden: float, expected: int) -> None:
    mask = draw(10, size, PatchMask(patch_px=patch, hidden=hidden))
    assert patches(mask, patch).sum((1, 2)).tolist() == [expected] * 10


def test_every_patch_is_hidden_equally_often_and_images_differ() -> None:
    hidden = patches(draw(2000, 64, PatchMask(patch_px=8, hidden=0.75)), 8).float()
    assert float((hidden.mean(0) - 0.75).abs().max()) < 0.05
    assert len({tuple(image.flatten().tolist()) for image in hidden[:100]}) == 100


def test_masks_depend_on_the_seed() -> None:
    assert torch.equal(draw(4), draw(4))
    assert not torch.equal(draw(4), draw(4, seed=1))
