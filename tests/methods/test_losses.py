"""Losses compared with slow versions; structures that are not labelled have no effect."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from cmr_ssp.anatomy import Structure
from cmr_ssp.finetuning import SegmentationCriterion
from cmr_ssp.finetuning.loss import merge_into_background
from cmr_ssp.methods.mim.objective import masked_mse
from cmr_ssp.recipes import SegmentationLoss
from monai.losses import DiceCELoss

ALL_DRAWN = torch.ones(2, 3, dtype=torch.bool)


def example(seed: int = 0, batch: int = 2, size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (batch, 4, size, size) in double precision and random labels."""
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, 4, size, size, generator=random, dtype=torch.float64)
    return logits, torch.randint(0, 4, (batch, size, size), generator=random, dtype=torch.uint8)


# ---- masked image modelling ---------------------------------------------------------------------


def test_masked_mse_agrees_with_a_loop_over_hidden_pixels() -> None:
    random = torch.Generator().manual_seed(1)
    prediction, images = (torch.randn(3, 1, 4, 5, generator=random) for _ in range(2))
    mask = torch.rand(3, 1, 4, 5, generator=random) < 0.6
    errors = [
        (float(prediction[place]) - float(images[place])) ** 2
        for place in np.ndindex(3, 1, 4, 5)
        if mask[place]
    ]
    assert float(masked_mse(prediction, images, mask)) == pytest.approx(sum(errors) / len(errors), rel=1e-6)


def test_masked_mse_ignores_what_is_visible() -> None:
    images, mask = torch.zeros(1, 1, 2, 2), torch.tensor([[[[True, False], [False, False]]]])
    prediction = torch.tensor([[[[2.0, 1e9], [torch.nan, -1e9]]]])
    assert float(masked_mse(prediction, images, mask)) == 4.0


def test_masked_mse_does_not_overflow_in_half_precision() -> None:
    images = torch.zeros(8, 1, 64, 64)
    prediction = torch.full_like(images, 300.0, dtype=torch.float16)  # 300 squared is no half float
    loss = masked_mse(prediction, images, torch.ones_like(images, dtype=torch.bool))
    assert loss.dtype == torch.float32
    assert float(loss) == 90000.0


# ---- segmentation -------------------------------------------------------------------------------


def nearest_exact(labels: np.ndarray, size: int) -> np.ndarray:
    """Return the label at the centre of each larger pixel."""
    places = [math.floor((k + 0.5) * len(labels) / size) for k in range(size)]
    return np.array([[labels[i, j] for j in places] for i in places])


def slow_loss(logits: np.ndarray, labels: np.ndarray, drawn: np.ndarray, smoothing: float) -> float:
    """Compute half cross-entropy and half soft Dice at one resolution, pixel by pixel."""
    entropy, dice_losses = [], []
    for image, truth, known in zip(logits, labels, drawn, strict=True):
        p = np.exp(image) / np.exp(image).sum(axis=0)
        for i, j in np.ndindex(truth.shape):
            unknown = [c for c in (1, 2, 3) if not known[c - 1]]
            likely = p[truth[i, j], i, j]
            if truth[i, j] == 0:
                likely += sum(p[c, i, j] for c in unknown)
            entropy.append(-math.log(likely))
        for c in (1, 2, 3):
            if known[c - 1]:
                overlap = sum(p[c, i, j] for i, j in np.argwhere(truth == c))
                sizes = p[c].sum() + (truth == c).sum()
                dice_losses.append(1 - (2 * overlap + smoothing) / (sizes + smoothing))
    mean_dice = sum(dice_losses) / len(dice_losses) if dice_losses else 0.0
    return 0.5 * sum(entropy) / len(entropy) + 0.5 * mean_dice


PARTLY_DRAWN = torch.tensor([[True, True, False], [True, False, True]])


@pytest.mark.parametrize("drawn", [ALL_DRAWN, PARTLY_DRAWN, ~ALL_DRAWN], ids=["all", "some", "nothing"])
def test_criterion_agrees_with_one_written_out_by_hand(drawn: torch.Tensor) -> None:
    logits, labels = example()
    for image, known in zip(labels, drawn, strict=True):
        for structure in Structure:
            if not known[structure - 1]:
                image[image == structure] = 0
    found = SegmentationCriterion(SegmentationLoss())([logits], labels, drawn)
    expected = slow_loss(logits.numpy(), labels.numpy(), drawn.numpy(), smoothing=1e-5)
    assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_deep_supervision_halves_the_weight_with_the_resolution() -> None:
    logits, labels = example()
    outputs = [logits, example(1, size=4)[0], example(2, size=2)[0]]
    each = [
        slow_loss(
            output.numpy(),
            np.stack([nearest_exact(image, output.shape[-1]) for image in labels.numpy()]),
            ALL_DRAWN.numpy(),
            smoothing=1e-5,
        )
        for output in outputs
    ]
    expected = (4 * each[0] + 2 * each[1] + 1 * each[2]) / 7
    found = SegmentationCriterion(SegmentationLoss())(outputs, labels, ALL_DRAWN)
    assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_criterion_agrees_with_monai_where_everything_is_drawn() -> None:
    logits, labels = example(5)
    peer = DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        smooth_nr=1e-5,
        smooth_dr=1e-5,
        lambda_dice=0.5,
        lambda_ce=0.5,
    )
    found = SegmentationCriterion(SegmentationLoss())([logits], labels, ALL_DRAWN)
    assert float(found) == pytest.approx(float(peer(logits, labels[:, None].long())), rel=1e-5)


def test_weights_and_smoothing_come_from_the_recipe() -> None:
    logits, labels = example()
    labels[labels == Structure.RV] = 0
    only_ce = SegmentationCriterion(SegmentationLoss(cross_entropy=1, dice=0))([logits], labels, ALL_DRAWN)
    peer = torch.nn.functional.cross_entropy(logits, labels.long())
    assert float(only_ce) == pytest.approx(float(peer), rel=1e-6)
    rough = SegmentationLoss(cross_entropy=0, dice=1, smoothing=100.0)
    fine = SegmentationLoss(cross_entropy=0, dice=1)
    losses = [float(SegmentationCriterion(s)([logits], labels, ALL_DRAWN)) for s in (rough, fine)]
    assert losses[0] < losses[1]


def test_an_all_background_image_counts_where_the_structures_were_drawn() -> None:
    """Slices beyond the heart are labelled as empty, so predicting a structure there increases the loss."""
    labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
    drawn = torch.ones(1, 3, dtype=torch.bool)
    criterion = SegmentationCriterion(SegmentationLoss())
    silent, loud = torch.zeros(1, 4, 4, 4), torch.zeros(1, 4, 4, 4)
    silent[:, 0], loud[:, 3] = 30, 30
    assert float(criterion([silent], labels, drawn)) < 0.01
    assert float(criterion([loud], labels, drawn)) > 1


# ---- structures that are not labelled -----------------------------------------------------------


def swap_with_background(logits: torch.Tensor, structure: Structure) -> torch.Tensor:
    """Exchange the probabilities of the background and a structure in every pixel."""
    order = [0, 1, 2, 3]
    order[0], order[structure] = structure, 0
    return logits[:, order]


@pytest.mark.parametrize("structure", Structure)
def test_loss_does_not_care_how_background_and_an_undrawn_structure_share(structure: Structure) -> None:
    logits, labels = example(batch=1)
    labels[labels == structure] = 0
    drawn = torch.ones(1, 3, dtype=torch.bool)
    drawn[0, structure - 1] = False
    criterion = SegmentationCriterion(SegmentationLoss())
    before, after = (
        float(criterion([x], labels, drawn)) for x in (logits, swap_with_background(logits, structure))
    )
    assert before == pytest.approx(after, rel=1e-6)
    assert before != pytest.approx(
        float(criterion([swap_with_background(logits, structure)], labels, torch.ones_like(drawn))), rel=1e-3
    )


def test_no_gradient_moves_pixels_between_background_and_an_undrawn_structure() -> None:
    """Along that direction p0 + pRV stays: d loss / d(logit RV) * p0 = d loss / d(logit 0) * pRV."""
    logits, labels = example(batch=1)
    labels[labels == Structure.RV] = 0
    logits.requires_grad_(True)
    drawn = torch.tensor([[True, True, False]])
    SegmentationCriterion(SegmentationLoss())([logits], labels, drawn).backward()
    gradient, p = logits.grad, logits.detach().softmax(dim=1)
    assert gradient is not None
    push = gradient[:, Structure.RV] * p[:, 0] - gradient[:, 0] * p[:, Structure.RV]
    assert push.abs().max() < 1e-8
    assert gradient[:, Structure.LV].abs().max() > 1e-4


def test_a_wholly_undrawn_image_gives_neither_loss_nor_gradient() -> None:
    logits, labels = example(batch=1)
    logits.requires_grad_(True)
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    loss = SegmentationCriterion(SegmentationLoss())([logits], torch.zeros_like(labels), nothing)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-8


def test_an_undrawn_image_changes_nothing_for_its_neighbours_in_the_batch() -> None:
    logits, labels = example()
    labels[1] = 0
    logits.requires_grad_(True)
    drawn = torch.tensor([[True, True, True], [False, False, False]])
    SegmentationCriterion(SegmentationLoss())([logits], labels, drawn).backward()
    assert logits.grad is not None
    assert logits.grad[1].abs().max() < 1e-8
    assert logits.grad[0].abs().max() > 1e-4


def test_merged_probabilities_sum_to_one_over_what_is_left() -> None:
    log_p = example()[0].log_softmax(dim=1)
    merged = merge_into_background(log_p, PARTLY_DRAWN).exp()
    kept = torch.stack(
        [merged[k, [0, *(s for s in Structure if PARTLY_DRAWN[k, s - 1])]].sum(0) for k in (0, 1)]
    )
    torch.testing.assert_close(kept, torch.ones_like(kept))


def test_finite_in_half_precision_with_extreme_logits() -> None:
    logits, labels = example()
    extreme = (logits * 2000).half().requires_grad_(True)
    labels[labels == Structure.RV] = 0
    loss = SegmentationCriterion(SegmentationLoss())([extreme], labels, PARTLY_DRAWN)
    loss.backward()
    assert loss.dtype == torch.float32
    assert extreme.grad is not None
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(extreme.grad).all())
