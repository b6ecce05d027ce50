from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cmr_ssp.errors import RecipeError
from cmr_ssp.recipes import (
    Augmentation,
    MimRecipe,
    Recipe,
    SegmentationRecipe,
    load_recipe,
    parse_recipe,
    preset_names,
    recipe_yaml,
)
from pydantic import ValidationError


def faults(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(tree, "here.yaml")
    assert all(problem.where == "here.yaml" and problem.remedy for problem in caught.value.problems)
    return [problem.what for problem in caught.value.problems]


def small(**settings: Any) -> dict[str, Any]:
    return {"method": "mim", "updates": 10} | settings


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_survives_yaml(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.method == name.split("/")[0]
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe_yaml(recipe))
    assert load_recipe(path) == recipe
    assert "multiply" in path.read_text()  # every setting is written out


def test_the_presets_of_issue_2_exist_for_every_method() -> None:
    names = {
        f"{method}/{size}" for method in ("mim", "finetune", "scratch") for size in ("paper", "cpu-small")
    }
    assert names <= set(preset_names())


@pytest.mark.parametrize("size", sorted({name.split("/")[1] for name in preset_names()}))
def test_presets_of_one_size_fit_one_another(size: str) -> None:
    """Weights can go from pretraining to fine-tuning, and from scratch differs by nothing but them."""
    mim, finetune, scratch = (load_recipe(f"{method}/{size}") for method in ("mim", "finetune", "scratch"))
    assert mim.network == finetune.network == scratch.network
    assert mim.crop == finetune.crop == scratch.crop
    assert finetune.augmentation == scratch.augmentation


def what_all_papers_share(recipe: Recipe) -> None:
    assert recipe.network.channels == (32, 64, 128, 256, 512, 512, 512)
    assert (recipe.crop.size_px, recipe.crop.spacing_mm) == (256, 1.25)
    optimiser = recipe.optimiser
    assert (optimiser.name, optimiser.momentum, optimiser.nesterov) == ("sgd", 0.99, True)
    assert optimiser.weight_decay == 3e-5 and optimiser.max_gradient_norm is None
    assert recipe.schedule.per == "epoch" and recipe.schedule.warmup == 0
    augmentation = recipe.augmentation
    assert (augmentation.translation_px, augmentation.rotation_deg) == (40, 180)
    assert (augmentation.scale, augmentation.flip_p) == ((0.7, 1.4), 0.5)
    assert (augmentation.noise_sd, augmentation.noise_p) == (0.2, 0.2)
    assert (augmentation.blur_sigma_px, augmentation.blur_p) == ((0.5, 1.5), 0.2)
    assert (augmentation.multiply, augmentation.multiply_p) == ((1.6, 2.5), 1)  # 1 + (0.6..1.5)
    assert (augmentation.shift, augmentation.shift_p) == ((-0.4, 0.4), 1)
    assert (augmentation.gamma, augmentation.gamma_p) == ((0.7, 1.5), 1)


def test_mim_has_the_paper_s_numbers() -> None:
    recipe = load_recipe("mim/paper")
    assert isinstance(recipe, MimRecipe)
    what_all_papers_share(recipe)
    assert (recipe.epochs, recipe.batch_size, recipe.precision) == (100, 128, "16-mixed")
    assert recipe.optimiser.learning_rate == 0.01 and recipe.schedule.name == "cosine"
    assert (recipe.mask.patch_px, recipe.mask.hidden * 64) == (32, 48)


@pytest.mark.parametrize(("name", "rate"), [("scratch/paper", 0.01), ("finetune/paper", 0.005)])
def test_training_has_the_paper_s_numbers(name: str, rate: float) -> None:
    recipe = load_recipe(name)
    assert isinstance(recipe, SegmentationRecipe)
    what_all_papers_share(recipe)
    assert (recipe.epochs, recipe.batch_size, recipe.precision) == (1000, 32, "32-true")
    assert recipe.optimiser.learning_rate == rate
    assert (recipe.schedule.name, recipe.schedule.power) == ("polynomial", 0.9)
    loss = recipe.loss
    assert (loss.cross_entropy, loss.dice, loss.smoothing, loss.deep_supervision) == (0.5, 0.5, 1e-5, True)
    assert recipe.freeze_encoder == 0
    prediction = recipe.prediction
    assert not (prediction.flips or prediction.recentre or prediction.largest_component)


def test_without_a_preset_the_factor_is_the_method_page_s() -> None:
    assert Augmentation().multiply == (0.6, 1.5)


def test_all_unknown_keys_and_bad_values_are_listed_at_once() -> None:
    found = faults(
        small(
            batchsize=4,
            batch_size=0,
            crop={"size_px": 256, "spacing": 1},
            optimiser={"learning_rate": -1},
            augmentation={"scale": [1.4, 0.7], "flip_p": 2},
        )
    )
    for expected in ("'batchsize' is unknown", "'crop.spacing' is unknown", "batch_size", "flip_p"):
        assert sum(expected in what for what in found) == 1, (expected, found)
    assert any("optimiser.learning_rate" in what for what in found)


def test_all_contradictions_are_listed_at_once() -> None:
    found = faults(
        small(epochs=3, batch_size=10, micro_batch=4, crop={"size_px": 100}, mask={"patch_px": 30})
    )
    text = "\n".join(found)
    for expected in ("either epochs or updates", "divide by 64", "micro_batch 4", "patch_px 30"):
        assert expected in text


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"updates": None}, "either epochs or updates"),
        ({"mask": {"hidden": 0.001}}, "all or none"),
        ({"mask": {"hidden": 1.0}}, "all or none"),
        ({"augmentation": {"gamma": [1.5, 0.7]}}, "1.5 is above 0.7"),
        ({"precision": "64-true"}, "precision"),
        ({"seed": -1}, "seed"),
        ({"loss": {"dice": 1}}, "'loss' is unknown"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], what: str) -> None:
    found = faults(small(**settings))
    assert len(found) == 1 and what in found[0]


def test_settings_reach_into_groups_and_numbers_may_have_exponents() -> None:
    recipe = load_recipe(
        "mim/paper", ["optimiser.learning_rate=1e-3", "crop.centre=image", "augmentation.scale=[0.9, 1.1]"]
    )
    assert recipe.optimiser.learning_rate == 1e-3 and recipe.optimiser.momentum == 0.99
    assert recipe.crop.centre == "image" and recipe.augmentation.scale == (0.9, 1.1)


def test_updates_replace_epochs_and_back() -> None:
    recipe = load_recipe("mim/paper", ["updates=7"])
    assert (recipe.updates, recipe.epochs) == (7, None)
    recipe = load_recipe("mim/paper", ["updates=7", "epochs=2"])
    assert (recipe.updates, recipe.epochs) == (None, 2)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("updates", "no key=value pair"),
        ("nonsense=3", "'nonsense' is unknown"),
        ("crop.nonsense=3", "'crop.nonsense' is unknown"),
        ("batch_size.deep=3", "no group of settings"),
        ("updates=[1", "no valid YAML"),
    ],
)
def test_bad_settings_are_refused(setting: str, what: str) -> None:
    with pytest.raises(RecipeError, match=what.replace(".", r"\.")):
        load_recipe("mim/paper", [setting])


def test_presets_that_do_not_exist_are_named_with_those_that_do() -> None:
    with pytest.raises(RecipeError, match="mim/cpu-small"):
        load_recipe("mim/papr")


@pytest.mark.parametrize("text", ["", "- 1\n", "just words", "a: [", "method: dance\n"])
def test_files_that_are_no_recipe_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        load_recipe(path)


def test_a_recipe_of_another_method_is_of_no_use() -> None:
    with pytest.raises(RecipeError, match="'mim', which is of no use here"):
        load_recipe("mim/paper", methods=("finetune", "scratch"))


def test_recipes_cannot_change() -> None:
    recipe = load_recipe("mim/paper")
    with pytest.raises(ValidationError):
        recipe.batch_size = 3  # type: ignore[misc]


def test_yaml_holds_plain_values_only() -> None:
    tree = yaml.safe_load(recipe_yaml(load_recipe("finetune/cpu-small")))
    assert tree["method"] == "finetune" and isinstance(tree["network"]["channels"], list)


def test_recipes_and_evaluation_load_neither_torch_nor_monai() -> None:
    code = "import sys, cmr_ssp.recipes, cmr_ssp.evaluation; print({'torch', 'monai'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
