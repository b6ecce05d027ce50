"""DINO: loss compared with a slow version, teacher, schedules, frozen layer, views and collapse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from cmr_ssp.files import open_cohort
from cmr_ssp.methods.dino.loss import dino_loss, teacher_temperature
from cmr_ssp.methods.dino.objective import DinoObjective
from cmr_ssp.methods.dino.recipe import TeacherSettings
from cmr_ssp.methods.objective import make_objective
from cmr_ssp.recipes import load_recipe, method
from cmr_ssp.runs import Run
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.intensity import solarise
from cmr_ssp.samples.seeding import Draws
from cmr_ssp.training import TrainingLength
from cohort_helpers import HEADS, pretraining, write_beating_cohort
from torch import Tensor, nn

CPU = torch.device("cpu")
LENGTH = TrainingLength(updates_per_epoch=10, updates=100)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> SliceBank:
    cohort = open_cohort(write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "a"))
    return slice_bank(cohort.subjects, Path(tmp_path_factory.mktemp("banks")))


def objective(bank: SliceBank, **changes: object) -> DinoObjective:
    torch.manual_seed(0)
    recipe = pretraining("dino", **changes)
    made = make_objective(bank, bank.samples(), bank.samples(), recipe, CPU)
    assert isinstance(made, DinoObjective)
    return made


def parts(made: DinoObjective) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the tensors of student and teacher under the same names."""
    state = {name: tensor.clone() for name, tensor in made.network.state_dict().items()}
    teacher = {n.removeprefix("teacher."): t for n, t in state.items() if n.startswith("teacher.")}
    return {name: state[name] for name in teacher}, teacher


def slow_loss(student: Tensor, teacher: Tensor, centre: Tensor, hot: float, cold: float) -> float:
    """Compute the loss view by view and image by image."""
    terms = []
    for g, v in np.ndindex(len(teacher), len(student)):
        if g == v:
            continue
        for b in range(student.shape[1]):
            q = [
                math.exp((t - c) / cold) for t, c in zip(teacher[g, b].tolist(), centre.tolist(), strict=True)
            ]
            p = [math.exp(s / hot) for s in student[v, b].tolist()]
            terms.append(-sum(x / sum(q) * math.log(y / sum(p)) for x, y in zip(q, p, strict=True)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("n_views", [2, 5])
def test_the_loss_is_the_definition_s(n_views: int) -> None:
    random = torch.Generator().manual_seed(0)
    student, teacher = (torch.rand(n, 3, 6, generator=random) for n in (n_views, 2))
    centre = torch.rand(6, generator=random)
    found = float(dino_loss(student, teacher, centre, (0.1, 0.04)))
    assert found == pytest.approx(slow_loss(student, teacher, centre, 0.1, 0.04), rel=1e-5)


def test_the_loss_survives_half_precision() -> None:
    student, teacher = torch.ones(4, 2, 8192).half(), torch.zeros(2, 2, 8192).half()
    loss = dino_loss(student, teacher, torch.zeros(8192), (0.1, 0.04))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(math.log(8192), rel=1e-4)


def test_the_teacher_starts_as_a_copy_unless_the_recipe_wants_the_paper_s(bank: SliceBank) -> None:
    student, teacher = parts(objective(bank))
    assert all(torch.equal(student[name], teacher[name]) for name in student)
    student, teacher = parts(objective(bank, teacher={"starts_as_copy": False}))
    assert not torch.equal(student["head.prototypes.weight"], teacher["head.prototypes.weight"])


def test_only_the_student_has_gradients_and_only_its_parts_are_transferred(bank: SliceBank) -> None:
    made = objective(bank)
    made.before_update(50, LENGTH)
    made.loss(made.network, bank.samples()[:4], (0, 0, 0)).backward()
    for name, parameter in made.network.named_parameters():
        assert (parameter.grad is None) == name.startswith("teacher."), name
    assert method("dino").hands_on == ("encoder",)


def test_the_teacher_follows_by_the_momentum_of_the_update(bank: SliceBank) -> None:
    made = objective(bank, teacher={"momentum": 0.9})
    with torch.no_grad():
        for parameter in (*made.network.encoder.parameters(), *made.network.head.parameters()):  # type: ignore[union-attr]
            parameter += 1
        for name, buffer in made.network.named_buffers():
            if name.startswith("encoder") and name.endswith("running_mean"):
                buffer += 2
    _, before = parts(made)
    made.after_update(50, LENGTH)  # half way the momentum is half way to 1
    student, after = parts(made)
    for name, tensor in after.items():
        moved = 0.0 if "running" in name else 0.05
        moved = moved * (student[name] - before[name])
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor - before[name], moved, atol=1e-5, rtol=1e-4)
    made.after_update(100, LENGTH)
    assert all(torch.equal(tensor, after[name]) for name, tensor in parts(made)[1].items())


def test_the_teacher_s_own_views_move_its_statistics(bank: SliceBank) -> None:
    """The original DINO averages only parameters; the teacher normalises by the statistics of its own
    views."""
    made = objective(bank)
    made.network.train()
    _, before = parts(made)
    made.loss(made.network, bank.samples()[:4], (0, 0, 0))
    _, after = parts(made)
    moved = [name for name in before if "running" in name and not torch.equal(before[name], after[name])]
    assert moved == [name for name in before if "running" in name]


def test_the_best_state_is_not_a_collapse(bank: SliceBank) -> None:
    """A constant teacher is easy to predict, so the loss approaches zero."""
    ranks, losses = [], []
    for outputs in (torch.eye(7)[:4], torch.eye(7)[:1].expand(4, 7)):
        made = objective(bank)
        made.before_update(50, LENGTH)
        losses.append(float(made.loss(Same(outputs), bank.samples()[:4], (0, 0, 0)).detach()))
        ranks.append(made.quality(losses[-1]))
    assert losses[1] <= losses[0]
    assert ranks[0] > ranks[1]


def test_the_centre_moves_to_what_the_teacher_said_in_all_micro_batches(bank: SliceBank) -> None:
    made, said = objective(bank), list[Tensor]()
    made.network.register_forward_hook(lambda *a: said.append(a[2][1].flatten(0, 1)))
    made.before_update(0, LENGTH)
    for micro in (bank.samples()[:4], bank.samples()[4:10]):
        made.loss(made.network, micro, (0, 0, 0))
    made.after_update(0, LENGTH)
    expected = 0.1 * torch.cat(said).mean(dim=0)
    torch.testing.assert_close(made.network.centre, expected)


def test_the_temperature_warms_up_and_the_last_layer_thaws(bank: SliceBank) -> None:
    made = objective(bank, freeze_last_layer=0.2)
    found = {}
    for update in (0, 15, 19, 20, 30, 99):
        made.before_update(update, LENGTH)
        last = made.network.head.prototypes.weight  # type: ignore[union-attr]
        found[update] = (made._temperature, bool(last.requires_grad))
    temperatures = {update: temperature for update, (temperature, _) in found.items()}
    assert temperatures == pytest.approx(
        {0: 0.02, **{n: 0.02 + 0.02 * n / 29 for n in (15, 19, 20)}, 30: 0.04, 99: 0.04}
    )
    assert [free for _, free in found.values()] == [False, False, False, True, True, True]


def test_the_paper_s_temperature_climbs_every_epoch_as_the_authors_does() -> None:
    """The authors use ``linspace(0.02, 0.04, 30)``, one value per epoch, then 0.04."""
    teacher = load_recipe("dino/paper").teacher  # type: ignore[attr-defined]
    length = TrainingLength(updates_per_epoch=7, updates=700)
    found = [teacher_temperature(teacher, update, length) for update in range(700)]
    theirs = np.concatenate((np.linspace(0.02, 0.04, 30), np.full(70, 0.04)))
    np.testing.assert_allclose(found, np.repeat(theirs, 7), rtol=1e-12)


@pytest.mark.parametrize("per", ["epoch", "update"])
@pytest.mark.parametrize("updates", [1, 2, 3])
def test_the_temperature_of_a_short_training(per: Literal["epoch", "update"], updates: int) -> None:
    teacher, length = TeacherSettings(warmup_per=per), TrainingLength(updates_per_epoch=2, updates=updates)
    found = [teacher_temperature(teacher, update, length) for update in range(updates)]
    assert found == sorted(found) and set(found) <= {0.02, 0.04}
    assert updates == 1 or found[-1] == 0.04


def test_the_views_are_two_global_and_some_local_ones(bank: SliceBank) -> None:
    made, shown = objective(bank), list[list[Tensor]]()
    made.network.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    made.loss(made.network, bank.samples()[:3], (0, 0, 0))
    (views,) = shown
    assert [tuple(view.shape) for view in views] == [(3, 1, 16, 16)] * 2 + [(3, 1, 8, 8)] * 2
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(views[2], views[3])


def test_solarising_turns_what_is_above_the_mean_upside_down() -> None:
    images = torch.tensor([-1.0, 0.0, 0.5, 2.0]).reshape(1, 1, 2, 2).repeat(2, 1, 1, 1)
    highest = torch.tensor([3.0, 5.0])
    random = torch.Generator().manual_seed(0)
    found = solarise(images, highest, 1.0, Draws(random, 2))
    assert found.flatten(1).tolist() == [[-1, 0, 2.5, 1], [-1, 0, 4.5, 3]]
    state = random.get_state()
    assert solarise(images, highest, 0.0, Draws(random, 2)) is images
    assert torch.equal(random.get_state(), state)


class Same(nn.Module):
    """A network with fixed outputs, independent of the views."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        return self.outputs.expand(4, 4, 7).requires_grad_(), self.outputs.expand(2, 4, 7)


def test_a_collapse_is_seen_whichever_way_it_goes(bank: SliceBank) -> None:
    one_class, uniform = torch.eye(7)[:1].expand(4, 7), torch.zeros(4, 7)
    for outputs, entropy, collapsed in (
        (one_class, 0.0, True),
        (uniform, math.log(7), True),
        (torch.eye(7)[:4], 0.0, False),
    ):
        made = objective(bank)
        for update in (0, 50):
            made.before_update(update, LENGTH)
            made.loss(Same(outputs), bank.samples()[:4], (0, 0, 0))
            assert made.history_columns()["teacher_entropy"] == pytest.approx(entropy, abs=1e-3)
            # while the temperature warms up nothing is said
            assert (made.warning(Run(Path("run"))) is not None) == (collapsed and update == 50)
        information = made.history_columns()["teacher_information"]
        assert information == pytest.approx(0.0 if collapsed else math.log(4), abs=1e-3)


def test_validation_is_the_same_every_time_and_changes_nothing(bank: SliceBank) -> None:
    made = objective(bank)
    before = {name: tensor.clone() for name, tensor in made.network.state_dict().items()}
    first = made.validate()
    assert first == made.validate()
    assert next(iter(first)) == "validation_teacher_information"
    assert first["validation_negative_loss"] < 0
    assert all(torch.equal(before[name], tensor) for name, tensor in made.network.state_dict().items())


def test_local_views_can_be_left_out(bank: SliceBank) -> None:
    made = objective(bank, views=HEADS["dino"]["views"] | {"n_local": 0})
    assert bool(made.loss(made.network, bank.samples()[:4], (0, 0, 0)).isfinite())
