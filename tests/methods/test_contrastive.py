"""The losses of SimCLR and PCL compared with slow versions and MONAI, edge cases, and positions as
integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cmr_ssp.files import open_cohort
from cmr_ssp.methods.contrastive.objective import contrastive_loss
from cmr_ssp.methods.objective import make_objective
from cmr_ssp.methods.pcl.objective import PclObjective, similar_positions
from cmr_ssp.methods.simclr.objective import SimclrObjective
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.views import make_views
from cohort_helpers import SLICES, pretraining, write_beating_cohort
from monai.losses import ContrastiveLoss
from torch import Tensor

CPU = torch.device("cpu")


def features(n: int, d: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def views_of_one_slice(n: int) -> Tensor:
    """Return the positives of SimCLR: view i and view i + n."""
    number = torch.arange(n).repeat(2)
    return number[:, None] == number


def slow_loss(vectors: Tensor, positives: Tensor, temperature: float) -> float:
    """Compute the loss term by term from the definition."""
    points = vectors.double().tolist()

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    anchors = []
    for i, anchor in enumerate(points):
        others = [j for j in range(len(points)) if j != i]
        everything = sum(math.exp(cosine(anchor, points[j]) / temperature) for j in others)
        terms = [
            -math.log(math.exp(cosine(anchor, points[j]) / temperature) / everything)
            for j in others
            if positives[i, j]
        ]
        if terms:
            anchors.append(sum(terms) / len(terms))
    return sum(anchors) / len(anchors) if anchors else 0.0


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_loss_is_the_definition_s_and_for_two_views_monai_s(temperature: float) -> None:
    vectors, positives = features(12), views_of_one_slice(6)
    found = float(contrastive_loss(vectors, positives, temperature))
    assert found == pytest.approx(slow_loss(vectors, positives, temperature), rel=1e-5)
    monai = ContrastiveLoss(temperature=temperature)(vectors[:6].float(), vectors[6:].float())
    assert found == pytest.approx(float(monai), rel=1e-5)


def test_several_positives_are_averaged_for_each_anchor_and_anchors_without_any_are_left_out() -> None:
    positives = torch.rand(9, 9, generator=torch.Generator().manual_seed(3)) < 0.3
    positives |= positives.T.clone()
    positives[4], positives[:, 4] = False, False
    assert len(set(positives.sum(dim=1).tolist())) > 3
    for diagonal in (True, False):  # the diagonal is ignored
        positives.fill_diagonal_(diagonal)
        found = float(contrastive_loss(features(9), positives, 0.1))
        assert found == pytest.approx(slow_loss(features(9), positives, 0.1), rel=1e-5)


def test_a_batch_without_any_positive_and_one_of_equal_features_have_a_finite_loss_and_gradient() -> None:
    nothing = torch.zeros(6, 6, dtype=torch.bool)
    for vectors, positives, expected in (
        (features(6), nothing, 0.0),
        (torch.ones(6, 5), views_of_one_slice(3), math.log(5)),
        (torch.zeros(6, 5), views_of_one_slice(3), math.log(5)),
    ):
        vectors = vectors.float().requires_grad_()
        loss = contrastive_loss(vectors, positives, 0.1)
        loss.backward()
        assert loss.item() == pytest.approx(expected, abs=1e-5)
        assert vectors.grad is not None
        assert bool(vectors.grad.isfinite().all())


def test_the_gradient_is_that_of_finite_differences() -> None:
    vectors, positives = features(6, 3).requires_grad_(), views_of_one_slice(3)
    contrastive_loss(vectors, positives, 0.5).backward()
    assert vectors.grad is not None
    step = 1e-3
    for place in np.ndindex(6, 3):
        around = []
        for sign in (1, -1):
            moved = vectors.detach().clone()
            moved[place] += sign * step
            around.append(slow_loss(moved, positives, 0.5))
        slope = (around[0] - around[1]) / (2 * step)
        assert float(vectors.grad[place]) == pytest.approx(slope, abs=1e-5)


def test_half_precision_is_left_for_the_loss() -> None:
    """At 0.1 a cosine of 0.99 becomes 9.9; the sum of its exponential over thousands of views overflows half
    precision."""
    vectors = (torch.ones(64, 8) + 0.01 * features(64, 8).float()).to(torch.bfloat16)
    positives = views_of_one_slice(32)
    expected = slow_loss(vectors, positives, 0.01)
    with torch.autocast("cpu", torch.bfloat16):
        loss = contrastive_loss(vectors, positives, 0.01)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_no_tensor_is_as_large_as_all_pairs_times_features() -> None:
    n, d, largest = 128, 256, [0]

    def watch(tensor: Tensor) -> Tensor:
        largest[0] = max(largest[0], tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(watch, lambda tensor: tensor):
        contrastive_loss(features(n, d).float().requires_grad_(), views_of_one_slice(n // 2), 0.1)
    assert 0 < largest[0] <= n * max(n, d)


# ---- positions ----------------------------------------------------------------------------------


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_whole_numbers_decide_where_floats_round() -> None:
    ten = similar_positions(np.arange(10), whole(*[10] * 10), 0.1, exact=True)
    assert np.array_equal(ten, np.eye(10, dtype=bool))  # a tenth is not less than a tenth
    rounded = similar_positions(np.arange(10), whole(*[10] * 10), 0.1, exact=False)
    neighbours = rounded.diagonal(1)
    assert neighbours.any() and not neighbours.all()  # what the authors' code does
    for n in (1, 5, 9):
        assert np.array_equal(similar_positions(np.arange(n), whole(*[n] * n), 0.1, exact=True), np.eye(n))
    assert similar_positions(np.arange(12), whole(*[12] * 12), 0.1, exact=True).diagonal(1).all()


def test_positions_of_stacks_of_other_lengths_are_compared_as_fractions() -> None:
    slices, lengths = whole(0, 0, 3, 4, 5, 9), whole(1, 9, 7, 10, 11, 10)
    found = similar_positions(slices, lengths, 0.1, exact=True)
    for i, j in np.ndindex(6, 6):
        tenth = abs(slices[i] * lengths[j] - slices[j] * lengths[i]) * 10 < lengths[i] * lengths[j]
        assert found[i, j] == tenth
    assert found[0, 1] and found[3, 2]
    assert not similar_positions(slices, lengths, 0.02, exact=True)[3, 2]


# ---- the two objectives -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> SliceBank:
    cohort = open_cohort(write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "ab"))
    return slice_bank(cohort.subjects, Path(tmp_path_factory.mktemp("banks")))


def objective(bank: SliceBank, method: str, **changes: object) -> SimclrObjective | PclObjective:
    torch.manual_seed(0)
    nobody = np.empty(0, np.int64)
    made = make_objective(bank, bank.samples(), nobody, pretraining(method, **changes), CPU)
    assert isinstance(made, SimclrObjective | PclObjective)
    return made


def test_the_network_sees_two_different_views_of_each_slice(bank: SliceBank) -> None:
    simclr, shown = objective(bank, "simclr"), list[Tensor]()
    simclr.network.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].clone()))
    batch = bank.samples()[:3]
    loss = simclr.loss(simclr.network, batch, (0, 0, 0))
    (views,) = shown
    assert views.shape == (6, 1, 16, 16)
    assert all(not torch.equal(views[i], views[j]) for i in range(6) for j in range(i))
    assert float(simclr.loss(simclr.network, batch, (0, 0, 0))) == pytest.approx(float(loss), rel=1e-6)
    assert torch.equal(shown[1], views)


def test_several_views_at_once_are_those_of_a_batch_that_repeats_its_slices(bank: SliceBank) -> None:
    recipe, batch = pretraining("simclr"), bank.samples()[:5]
    ranges = recipe.augmentation.model_copy(update={"solarise_p": 0.5})
    together, repeated = (
        make_views(bank, samples, recipe.crop, ranges, (3, 1), CPU, with_labels=True, n_views=n)
        for samples, n in ((batch, 3), (np.tile(batch, 3), 1))
    )
    assert torch.equal(together.images, repeated.images)
    assert together.labels is not None and repeated.labels is not None
    assert torch.equal(together.labels, repeated.labels)
    assert torch.equal(together.drawn, repeated.drawn)


def test_positives_are_the_same_slice_or_alike_heights(bank: SliceBank) -> None:
    samples = bank.samples()
    same = objective(bank, "simclr").positives(samples)
    assert np.array_equal(same, np.eye(len(samples), dtype=bool))
    alike = objective(bank, "pcl", threshold=0.5 / SLICES).positives(samples)
    height = bank.index["slice"]
    assert np.array_equal(alike, height[:, None] == height)  # of either subject, at any time
    assert objective(bank, "pcl", threshold=1.5 / SLICES).positives(samples).sum() > alike.sum()


@pytest.mark.parametrize("method", ["simclr", "pcl", "dino"])
def test_validation_compares_slices_of_all_subjects_in_an_order_that_stays(
    bank: SliceBank, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    recipe = pretraining(method, batch_size=8)
    made = make_objective(bank, bank.samples(), bank.samples(), recipe, CPU)
    made.validation_batch = 8
    rounds: list[list[list[int]]] = []

    def measured(samples: np.ndarray, seed: tuple[int, ...]) -> dict[str, float]:
        rounds[-1].append(samples.tolist())
        return {"score": float(seed[-1])}

    monkeypatch.setattr(made, "measure", measured)
    for _ in range(2):
        rounds.append([])
        made.validate()
    first, again = rounds
    assert first == again
    assert sorted(sample for piece in first for sample in piece) == bank.samples().tolist()
    for piece in first:
        assert len(set(bank.index["subject"][piece])) == 2


def learn(loss: Callable[[], Tensor], parameters: list[Tensor], n: int) -> list[float]:
    optimiser, losses = torch.optim.AdamW(parameters, lr=0.02), []
    for _ in range(n):
        value = loss()
        losses.append(value.item())
        value.backward()
        optimiser.step()
        optimiser.zero_grad()
    return losses


@pytest.mark.parametrize("method", ["simclr", "pcl"])
def test_a_few_updates_on_one_batch_lower_the_loss(bank: SliceBank, method: str) -> None:
    made = objective(bank, method)
    batch = bank.samples(["a"])[:8]
    losses = learn(lambda: made.loss(made.network, batch, (0, 0, 0)), [*made.network.parameters()], 40)
    assert losses[-1] < 0.8 * losses[0]
