"""Seeds of subset, weights and order: from the recipe or set separately, and stored in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.cli import main
from cmr_ssp.errors import RecipeError, RunError
from cmr_ssp.events import EpochFinished, UpdateFinished
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import SegmentationRecipe, load_recipe, recipe_yaml
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import Listener, segmentation, write_beating_cohort
from training_helpers import Line, recipe, run_training

STILL = {"name": "adamw", "learning_rate": 1e-12, "weight_decay": 0}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "abcdefgh"))


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> jobs.JobSettings:
    return jobs.JobSettings("cpu", bank_folder=tmp_path_factory.mktemp("banks"))


def train(
    cohort: Cohort, banks: jobs.JobSettings, folder: Path, budget: jobs.LabelBudget, **changes: Any
) -> tuple[set[str], torch.Tensor, SegmentationRecipe]:
    """Train with a negligible rate; return subjects, initial weights and the recipe of the run."""
    made = segmentation(method="scratch", updates=1, optimiser=STILL, **changes)
    everyone = Split(dict.fromkeys("abcdefgh", "train"))  # type: ignore[arg-type]
    jobs.finetune(cohort, made, Run(folder), budget=budget, split=everyone, settings=banks)
    checkpoint = load_checkpoint(Run(folder).last)
    kept = load_recipe(folder / "recipe.yaml")
    assert isinstance(kept, SegmentationRecipe) and kept == checkpoint.recipe
    return set(checkpoint.provenance.training), checkpoint.network["encoder.stages.0.0.weight"], kept


def test_one_seed_sets_all() -> None:
    made = segmentation(seed=7)
    assert (made.subset_seed, made.weights_seed, made.order_seed) == (7, 7, 7)
    apart = segmentation(seed=7, seeds={"subset": 0, "weights": 1, "order": 2})
    assert (apart.subset_seed, apart.weights_seed, apart.order_seed) == (0, 1, 2)


def test_subset_and_weights_are_drawn_with_their_own_seeds(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path
) -> None:
    budget = jobs.LabelBudget(3)
    plain = train(cohort, banks, tmp_path / "0", budget, seed=0)
    other = train(cohort, banks, tmp_path / "1", budget, seed=1)
    assert plain[0] != other[0] and not torch.allclose(plain[1], other[1])
    subset = train(cohort, banks, tmp_path / "subset", budget, seed=0, seeds={"subset": 1})
    assert subset[0] == other[0] and torch.allclose(subset[1], plain[1])
    weights = train(cohort, banks, tmp_path / "weights", budget, seed=0, seeds={"weights": 1})
    assert weights[0] == plain[0] and torch.allclose(weights[1], other[1])


def test_the_seed_of_a_budget_is_stored_in_the_run(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path
) -> None:
    found, _, kept = train(cohort, banks, tmp_path / "run", jobs.LabelBudget(3, seed=5), seed=1)
    assert found == set(jobs.LabelBudget(3, seed=5).choose(cohort, Run(tmp_path / "run").split()).training)
    assert (kept.subset_seed, kept.weights_seed, kept.order_seed) == (5, 1, 1)
    made = segmentation(method="scratch", updates=1, optimiser=STILL, seed=1)
    jobs.finetune(cohort, made, Run(tmp_path / "run"), resume=True, settings=banks)
    other = segmentation(method="scratch", updates=1, optimiser=STILL, seed=1, seeds={"subset": 4})
    with pytest.raises(RunError, match="seeds"):
        jobs.finetune(cohort, other, Run(tmp_path / "run"), resume=True, settings=banks)


def test_the_order_has_its_own_seed(tmp_path: Path) -> None:
    def order(folder: str, **changes: Any) -> tuple[list[list[int]], list[tuple[int, ...]]]:
        seeds = list[tuple[int, ...]]()
        line = Line(before_loss=seeds.append)
        run_training(tmp_path / folder, line, recipe(**changes))
        return line.seen, seeds

    plain, other = order("0", seed=0), order("1", seed=1)
    assert plain != other
    assert order("order", seed=0, seeds={"order": 1}) == other
    assert order("weights", seed=0, seeds={"weights": 1}) == plain


@pytest.mark.parametrize(
    "setting", ["seed=9223372036854775808", "seeds.order=-1", "seeds.weights=x", "seeds.other=1"]
)
def test_invalid_seeds_are_refused(setting: str) -> None:
    with pytest.raises(RecipeError, match="seed"):
        load_recipe("mim/cpu-small", [setting])
    with pytest.raises(RecipeError, match=r"seeds\.subset"):
        load_recipe("mim/cpu-small", ["seeds.subset=1"])  # nothing is drawn there


def test_on_the_command_line(cohort: Cohort, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe_yaml(segmentation(method="scratch", updates=1)))
    arguments = ["finetune", str(cohort.root), "--recipe", str(file), "--subjects", "2", "--run"]

    def kept(name: str, *more: str) -> SegmentationRecipe:
        with pytest.raises(SystemExit) as end:
            main([*arguments, str(tmp_path / name), *more])
        assert not end.value.code
        found = load_checkpoint(Run(tmp_path / name).last).recipe
        assert isinstance(found, SegmentationRecipe)
        return found

    found = kept("all", "--seed", "3")
    assert (found.subset_seed, found.weights_seed, found.order_seed) == (3, 3, 3)
    apart = ["--seed", "3", "--subset-seed", "0", "--weights-seed", "1", "--order-seed", "2"]
    found = kept("apart", *apart)
    assert (found.seed, found.subset_seed, found.weights_seed, found.order_seed) == (3, 0, 1, 2)
    kept("apart", *apart, "--resume")


def test_the_speed_is_reported_and_stored(tmp_path: Path) -> None:
    heard = Listener()
    run_training(tmp_path, Line(), recipe(updates=12, checkpoint_every=6), on_event=heard)
    told = [event.slices_a_second for event in heard.of(UpdateFinished)]
    assert told[:3] == [None] * 3 and all(speed > 0 for speed in told[3:])
    rows = {int(row["update"]): row["slices_a_second"] for row in Run(tmp_path).read_history()}
    assert rows[2] == "" and float(rows[12]) > 0
    assert all("slices_a_second" not in event.scores for event in heard.of(EpochFinished))
    assert "slices_a_second" not in load_checkpoint(Run(tmp_path).last).scores  # the same bytes when resumed
