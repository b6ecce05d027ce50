"""Objectives of pretraining and of training on labels, on a tiny slice bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import dice
from cmr_ssp.events import Cancel, Cancelled
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.finetuning import SegmentationObjective
from cmr_ssp.methods.mim.objective import MimObjective
from cmr_ssp.prediction import segment_stack
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.views import make_views
from cmr_ssp.subjects import Cohort
from cmr_ssp.training import TrainingLength
from cmr_ssp.training.stepper import Stepper
from cohort_helpers import ED, ES, FRAMES, SLICES, mim, segmentation, write_beating_cohort
from lightning_fabric import Fabric
from samples_helpers import write_cohort
from torch import Tensor, nn

CPU = torch.device("cpu")
ALONE_ON_CPU = Fabric(accelerator="cpu", devices=1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "ab"))


@pytest.fixture(scope="module")
def bank(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> SliceBank:
    return slice_bank(cohort.subjects, Path(tmp_path_factory.mktemp("banks")))


class Watched(nn.Module):
    """Passes images to a network, if there is one, and records the inputs."""

    def __init__(self, network: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.shown = network, list[Tensor]()
        self.somewhere = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images.clone())
        return images * 0 + self.somewhere if self.network is None else self.network(images)


# ---- masked image modelling ---------------------------------------------------------------------


def pretraining(bank: SliceBank, *, validating: bool = True) -> MimObjective:
    torch.manual_seed(0)
    validation = bank.samples(["b"]) if validating else np.empty(0, np.int64)
    return MimObjective(bank, bank.samples(["a"]), validation, mim(), CPU)


def test_the_network_never_sees_what_it_has_to_rebuild(bank: SliceBank) -> None:
    watched, batch = Watched(), bank.samples(["a"])[:4]
    loss = pretraining(bank).loss(watched, batch, (0, 0, 0))
    (shown,) = watched.shown
    patches = (shown == 0).reshape(4, 4, 4, 4, 4).permute(0, 1, 3, 2, 4).flatten(3)
    hidden = patches.all(dim=3)
    assert hidden.flatten(1).sum(dim=1).tolist() == [12] * 4  # of 16, exactly
    again = Watched()
    assert float(pretraining(bank).loss(again, batch, (0, 0, 0))) == float(loss)
    assert torch.equal(again.shown[0], shown)
    pretraining(bank).loss(again, batch, (0, 1, 0))
    assert not torch.equal(again.shown[1], shown)


def test_a_network_that_says_nothing_pays_for_the_hidden_pixels_alone(bank: SliceBank) -> None:
    watched, batch, recipe = Watched(), bank.samples(["a"])[:4], mim()
    loss = pretraining(bank).loss(watched, batch, (0, 5, 0))
    views = make_views(
        bank, batch, recipe.crop, recipe.augmentation, (0, 5, 0), CPU, with_labels=False
    ).images
    hidden = watched.shown[0] != views
    assert float(hidden.float().mean()) == 0.75
    assert float(loss.detach()) == pytest.approx(float(views[hidden].square().mean()), rel=1e-5)


def test_validation_of_pretraining_is_the_same_every_time_and_changes_nothing(bank: SliceBank) -> None:
    objective = pretraining(bank)
    before = {name: tensor.clone() for name, tensor in objective.network.state_dict().items()}
    first, second = objective.validate(), objective.validate()
    assert first == second
    (name, error), *_ = first.items()
    assert name == "validation_negative_error"
    assert error < 0
    assert all(torch.equal(before[name], t) for name, t in objective.network.state_dict().items())
    assert pretraining(bank, validating=False).validate() == {}


# ---- training on labels -------------------------------------------------------------------------


def labelled(bank: SliceBank, validating: tuple[str, ...] = (), **changes: object) -> SegmentationObjective:
    torch.manual_seed(0)
    samples = bank.samples(["a"], tuple(Phase))
    return SegmentationObjective(bank, samples, validating, segmentation(**changes), CPU)


def test_the_samples_are_the_labelled_slices(bank: SliceBank) -> None:
    found = {(int(r["frame"]), int(r["slice"])) for r in bank.index[labelled(bank).samples]}
    assert found == {(frame, k) for frame in (ED, ES) for k in range(SLICES)}
    assert len(bank.samples(["a"])) == FRAMES * SLICES


def test_the_encoder_is_frozen_for_the_first_part_only(bank: SliceBank) -> None:
    objective = labelled(bank, freeze_encoder=0.5)
    length = TrainingLength(10, 100)
    for update, free in ((0, False), (49, False), (50, True), (90, True)):
        objective.before_update(update, length)
        for name, parameter in objective.network.named_parameters():
            assert parameter.requires_grad == (free or not name.startswith("encoder."))
    objective.before_update(0, length)
    objective.loss(objective.network, objective.samples[:4], (0, 0, 0)).backward()
    gradients = {name: p.grad for name, p in objective.network.named_parameters()}
    assert all((grad is None) == name.startswith("encoder.") for name, grad in gradients.items())


def test_validation_is_the_dice_of_the_stack_that_prediction_gives(cohort: Cohort, bank: SliceBank) -> None:
    objective = labelled(bank, ("b",))
    found = objective.validate()
    subject = cohort.subject("b")
    stack, recipe = open_stack(subject), segmentation()
    predicted = segment_stack(objective.network, stack.load(), stack.grid.spacing_mm[1:], recipe).labels
    references = [read_segmentation(resolve_subject(subject), phase) for phase in Phase]
    for structure in Structure:
        values = [dice(predicted[ref.frame], ref.labels, structure) for ref in references]
        assert found[f"validation_dice_{structure.name}"] == pytest.approx(np.mean(values), abs=0.02)
    assert next(iter(found)) == "validation_dice"
    assert objective.network.training
    assert labelled(bank).validate() == {}


def stop_after(batches: int, network: nn.Module, cancel: Cancel) -> list[int]:
    """Request a stop after some batches; return the sizes of all batches."""
    sizes: list[int] = []

    def count(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sizes.append(len(inputs[0]))
        if len(sizes) == batches:
            cancel.request()

    network.register_forward_pre_hook(count)
    return sizes


def test_validation_can_be_left_between_batches(bank: SliceBank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MimObjective, "validation_batch", 4)
    cancel = Cancel()
    pretrained, finetuned = pretraining(bank), labelled(bank, ("a", "b"), prediction={"recentre": True})
    seen = stop_after(2, pretrained.network, cancel)
    with pytest.raises(Cancelled):
        pretrained.validate(cancel)
    assert seen == [4, 4]  # of 12
    cancel = Cancel()
    seen = stop_after(1, finetuned.network, cancel)
    with pytest.raises(Cancelled):
        finetuned.validate(cancel)
    assert seen == [FRAMES * SLICES]  # the first glance at the first of two subjects
    assert finetuned.network.training


STILL = {
    "translation_px": 0,
    "rotation_deg": 0,
    "scale": (1, 1),
    "flip_p": 0,
    **{f"{step}_p": 0 for step in ("noise", "blur", "multiply", "shift", "gamma")},
}
"""An augmentation that changes nothing, so that the views do not depend on the micro-batch."""


@pytest.mark.parametrize("micro_batch", [1, 2, 5])
def test_micro_batches_do_not_change_the_loss_where_labels_are_partly_drawn(
    tmp_path: Path, micro_batch: int
) -> None:
    bank = slice_bank(write_cohort(tmp_path / "in").subjects, tmp_path / "banks")
    samples = bank.samples(["cine", "pair"], tuple(Phase))
    assert len(samples) == 10 and len({tuple(drawn) for drawn in bank.drawn(samples)}) > 1
    losses = []
    for size in (None, micro_batch):
        torch.manual_seed(0)
        recipe = segmentation(batch_size=10, micro_batch=size, augmentation=STILL)
        objective = SegmentationObjective(bank, samples, (), recipe, CPU)
        objective.network.eval()  # batch norm looks at the micro-batch
        stepper = Stepper(objective, recipe, TrainingLength.of(recipe, len(samples)), ALONE_ON_CPU)
        loss = stepper.step(0, Cancel())
        assert loss is not None
        losses.append(float(loss))
    # Slices lie on a canvas as large as the largest, where their places are rounded otherwise.
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_few_updates_on_one_batch_lower_the_loss(bank: SliceBank) -> None:
    objective = labelled(bank)
    optimiser = torch.optim.AdamW(objective.network.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        loss = objective.loss(objective.network, objective.samples, (0, 0, 0))
        losses.append(float(loss))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert losses[-1] < 0.75 * losses[0]
