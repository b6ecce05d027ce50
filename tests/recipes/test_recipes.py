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
    PretrainRecipe,
    load_recipe,
    matching_preset,
    method_names,
    parse_recipe,
    preset_names,
    recipe_yaml,
)
from places import ROOT
from pydantic import ValidationError

OF_THE_PAPER = ("mim", "simclr", "pcl", "dino")


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


def test_the_presets_exist_for_every_method() -> None:
    both = ("finetune", "scratch")
    wanted = {f"{method}/cpu-small" for method in (*method_names(), *both)}
    wanted |= {f"{method}/{size}" for method in (*OF_THE_PAPER, *both) for size in ("paper", "corrected")}
    assert wanted <= set(preset_names())


@pytest.mark.parametrize("size", sorted({name.split("/")[1] for name in preset_names()}))
def test_presets_of_one_size_fit_one_another(size: str) -> None:
    """Weights can be transferred from pretraining to fine-tuning, and training from scratch differs only in
    them."""
    finetune, scratch = (load_recipe(f"{method}/{size}") for method in ("finetune", "scratch"))
    assert finetune.augmentation == scratch.augmentation
    for name in preset_names():
        if name.endswith(f"/{size}"):
            recipe = load_recipe(name)
            assert (recipe.network, recipe.crop) == (scratch.network, scratch.crop), name
            if isinstance(recipe, PretrainRecipe):
                assert matching_preset(recipe) == f"finetune/{size}"


SHARED = {
    "network.channels": (32, 64, 128, 256, 512, 512, 512),
    "crop.size_px": 256,
    "crop.spacing_mm": 1.25,
    "optimiser.name": "sgd",
    "optimiser.max_gradient_norm": None,
    "micro_batch": None,
    "augmentation.translation_px": 40,
    "augmentation.rotation_deg": 180,
    "augmentation.scale": (0.7, 1.4),
    "augmentation.flip_p": 0.5,
    "augmentation.noise_sd": 0.2,
    "augmentation.noise_p": 0.2,
    "augmentation.blur_sigma_px": (0.5, 1.5),
    "augmentation.blur_p": 0.2,
    "augmentation.blur_border": "zeros",
    "augmentation.multiply": (1.6, 2.5),  # 1 + (0.6..1.5)
    "augmentation.multiply_p": 1,
    "augmentation.shift": (-0.4, 0.4),
    "augmentation.shift_p": 1,
    "augmentation.gamma": (0.7, 1.5),
    "augmentation.gamma_p": 1,
    "augmentation.solarise_p": 0,
    "schedule.per": "epoch",
    "schedule.warmup": 0,
    "schedule.lowest": 0,
    "optimiser.decay_all": True,
}
"""What all of the paper's recipes have alike, but for what `PAPER` says otherwise."""

SEGMENTATION = {
    "epochs": 1000,
    "validate_at": "checkpoint",
    "batch_size": 32,
    "precision": "32-true",
    "optimiser.momentum": 0.99,
    "optimiser.nesterov": True,
    "optimiser.weight_decay": 3e-5,
    "schedule.name": "polynomial",
    "schedule.power": 0.9,
    "loss.cross_entropy": 0.5,
    "loss.dice": 0.5,
    "loss.smoothing": 1e-5,
    "loss.deep_supervision": True,
    "freeze_encoder": 0,
    "prediction.flips": False,
    "prediction.recentre": False,
    "prediction.largest_component": False,
}
CONTRASTIVE = {
    "epochs": 100,
    "validate_at": "epoch",
    "optimiser.learning_rate": 0.1,
    "optimiser.momentum": 0.9,
    "optimiser.nesterov": False,
    "schedule.name": "cosine",
    "temperature": 0.1,
    "head.hidden": 512,
    "head.outputs": 512,
}
PAPER = {
    "scratch": SEGMENTATION | {"optimiser.learning_rate": 0.01},
    "finetune": SEGMENTATION | {"optimiser.learning_rate": 0.005},
    "mim": {
        "epochs": 100,
        "validate_at": "epoch",
        "batch_size": 128,
        "precision": "16-mixed",
        "optimiser.learning_rate": 0.01,
        "optimiser.momentum": 0.99,
        "optimiser.nesterov": True,
        "optimiser.weight_decay": 3e-5,
        "schedule.name": "cosine",
        "mask.patch_px": 32,
        "mask.hidden": 48 / 64,
    },
    "simclr": CONTRASTIVE | {"batch_size": 224, "precision": "16-mixed", "optimiser.weight_decay": 1e-4},
    "pcl": CONTRASTIVE
    | {
        "batch_size": 64,
        "precision": "32-true",
        "optimiser.weight_decay": 1e-5,
        "threshold": 0.1,
        "positions": "rounded",
    },
    "dino": {
        "epochs": 100,
        "validate_at": "never",
        "batch_size": 64,
        "precision": "16-mixed",
        "optimiser.learning_rate": 0.03 * 64 / 256,
        "optimiser.momentum": 0.9,
        "optimiser.nesterov": False,
        "optimiser.weight_decay": 1e-4,
        "optimiser.decay_all": False,
        "schedule.name": "cosine",
        "schedule.per": "update",
        "schedule.warmup": 10 / 100,
        "schedule.lowest": 1e-6,
        "augmentation.scale": (0.524, 1.4),
        "augmentation.noise_p": 0.15,
        "augmentation.blur_p": 0.1,
        "augmentation.multiply_p": 0.2,
        "augmentation.shift_p": 0.15,
        "augmentation.gamma_p": 0.15,
        "views.n_local": 6,
        "views.local_size_px": 128,
        "views.local_translation_px": 160,
        "views.local_scale": (0.313, 0.524),
        "views.blur_sigma_px": (0.1, 2),
        "views.solarise_p": 0.2,
        "temperature": 0.1,
        "teacher.temperature": 0.04,
        "teacher.first_temperature": 0.02,
        "teacher.warmup": 30 / 100,
        "teacher.warmup_per": "epoch",
        "teacher.momentum": 0.996,
        "teacher.centre_momentum": 0.9,
        "teacher.starts_as_copy": False,
        "head.hidden": 2048,
        "head.bottleneck": 256,
        "head.outputs": 8192,
        "freeze_last_layer": 1 / 100,
    },
}
"""Supplementary table A and the authors' published configuration, by method."""

OURS = {
    "method",
    "updates",
    "seed",
    "seeds.order",
    "seeds.subset",
    "seeds.weights",
    "threads",
    "checkpoint_every",
    "records_every",
    "crop.centre",
    "moving_average",
    "pseudo_labels.share",
    "pseudo_labels.until",
    "pseudo_labels.weight",
    "schedule.power",
}
"""Settings that the paper does not have, or not for this method."""


def flat(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


@pytest.mark.parametrize("method", PAPER)
def test_the_paper_s_presets_have_every_number_of_its_table(method: str) -> None:
    found = flat(load_recipe(f"{method}/paper").model_dump())
    expected = SHARED | PAPER[method]
    assert {key: found[key] for key in expected} == expected
    assert set(found) - set(expected) <= OURS  # nothing is left to a default unseen


@pytest.mark.parametrize(
    ("method", "differing"),
    {
        **{key: set() for key in ("scratch", "finetune", "mim", "simclr")},
        "pcl": {"positions"},
        "dino": {
            "teacher.starts_as_copy",
            "views.local_scale",
            "views.local_translation_px",
        },
    }.items(),
)
def test_corrected_differs_from_paper_in_what_is_named_alone(method: str, differing: set[str]) -> None:
    paper, corrected = (flat(load_recipe(f"{method}/{size}").model_dump()) for size in ("paper", "corrected"))
    assert {k for k in paper if paper[k] != corrected[k]} == differing | {
        "augmentation.multiply",
        "augmentation.blur_border",
    }
    page = (ROOT / "docs" / "methods.md").read_text()
    for key in differing | {"augmentation.multiply", "augmentation.blur_border"}:
        assert key.rpartition(".")[2] in page, f"{key} is not explained"


@pytest.mark.parametrize(
    ("method", "settings", "fault"),
    [
        ("simclr", ["batch_size=1"], "batch_size 1"),
        ("pcl", ["micro_batch=8", "batch_size=64"], "micro_batch"),
        ("pcl", ["threshold=1.5"], "threshold"),
        ("simclr", ["temperature=0"], "temperature"),
        ("dino", ["batch_size=1"], "batch norm"),
        ("dino", ["views.local_size_px=100"], "views.local_size_px"),
        ("dino", ["views.local_scale=[2, 1]"], "views.local_scale"),
        ("dino", ["schedule.lowest=1"], "schedule.lowest"),
        ("dino", ["schedule.warmup=1.5"], "schedule.warmup"),
        ("dino", ["head.outputs=1"], "head.outputs"),
        ("dino", ["teacher.momentum=1"], "teacher.momentum"),
        ("dino", ["teacher.buffers_follow=true"], "teacher.buffers_follow' no longer exists"),
        ("dino", ["views.local_size_px=512"], "views.local_size_px"),
        ("dino", ["views.blur_sigma_px=[1, 70]"], "views.blur_sigma_px"),
        ("dino", ["augmentation.blur_sigma_px=[1, 35]"], "augmentation.blur_sigma_px"),
        ("pcl", ["threshold=0.0001"], "threshold"),
        ("mim", ["augmentation.blur_sigma_px=[1, 70]"], "augmentation.blur_sigma_px"),
        ("mim", ["optimiser.momentum=0"], "optimiser.nesterov"),
        ("mim", ["crop.size_px=64", "batch_size=1"], "batch_size 1"),
        ("mim", ["schedule.name=polynomial", "schedule.lowest=1e-6"], "schedule.lowest"),
        ("scratch", ["loss.dice=0", "loss.cross_entropy=0"], "both 0"),
        ("scratch", ["freeze_encoder=0.5"], "freeze_encoder"),
        ("mim", ["mask.hidden=1.2"], "mask.hidden"),
        ("mim", ["mask.patch_px=33"], "mask.patch_px"),
    ],
)
def test_impossible_settings_of_a_method_are_refused(method: str, settings: list[str], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        load_recipe(f"{method}/paper", settings)


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
    for expected in ("either epochs or updates", "multiple of 64", "micro_batch 4", "patch_px 30"):
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
        ("updates", "not a key=value pair"),
        ("nonsense=3", "'nonsense' is unknown"),
        ("crop.nonsense=3", "'crop.nonsense' is unknown"),
        ("batch_size.deep=3", "not a group of settings"),
        ("updates=[1", "not valid YAML"),
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
    with pytest.raises(RecipeError, match="'mim', which cannot be used here"):
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
