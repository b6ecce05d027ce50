"""The experiment file: the shipped ones, faults named all at once, and the cells that come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cmr_ssp.errors import RecipeError
from cmr_ssp.experiments.cells import Cell, cells_of
from cmr_ssp.experiments.file import ExperimentFile, load_experiment, parse_experiment, shipped_names


def _experiment(**grid: Any) -> ExperimentFile:
    base = {"methods": ["scratch", "mim"], "preset": "demo", "subjects": [2]}
    return parse_experiment(yaml.safe_dump({"split": {"test": 2}, "grids": [base | grid]}), "mine.yaml")


@pytest.mark.parametrize(
    ("name", "pretrainings", "trainings", "controls"),
    [("phantom", 1, 8, 2), ("cpu-small", 4, 81, 8), ("paper", 4, 111, 6)],
)
def test_shipped_experiments_have_the_documented_cells(
    name: str, pretrainings: int, trainings: int, controls: int
) -> None:
    cells = cells_of(load_experiment(name))
    assert Counter(cell.kind for cell in cells) == {
        "pretrain": pretrainings,
        "finetune": trainings + controls,
    }
    assert sum(bool(cell.control) for cell in cells) == controls
    assert len({cell.id for cell in cells}) == len(cells)
    for cell in cells:
        cell.recipe()


def test_the_shipped_names() -> None:
    assert shipped_names() == ("cpu-small", "paper", "phantom")


def test_every_fault_is_named_at_once() -> None:
    text = yaml.safe_dump(
        {
            "split": {"test": 2, "published": True},
            "labeled": "x",
            "grids": [{"methods": [], "preset": "demo", "subjects": [0]}],
        }
    )
    with pytest.raises(RecipeError) as caught:
        parse_experiment(text, "mine.yaml")
    said = str(caught.value)
    for word in ("split.test", "'labeled' is unknown", "grids.0.methods", "grids.0.subjects.0"):
        assert word in said
    assert all(problem.remedy for problem in caught.value.problems)


def test_every_unknown_preset_and_setting_is_named() -> None:
    with pytest.raises(RecipeError) as caught:
        _experiment(methods=["mim", "nothing"], settings=["batch_size=-1"], pretraining_settings=["colour=1"])
    said = str(caught.value)
    assert "colour" in said and "batch_size" in said and "nothing/demo" in said and "grids.0" in said


@pytest.mark.parametrize("text", ["[]", "a: *b", ": ["])
def test_what_is_no_experiment_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"mine\.yaml"):
        parse_experiment(text, "mine.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="phantom"):
        load_experiment(str(tmp_path / "none.yaml"))


def test_ids_do_not_depend_on_order_and_never_change() -> None:
    cells = {cell.id for cell in cells_of(_experiment(vendors=[["B", "A"]], seeds={"training": [0, 1]}))}
    turned = _experiment(methods=["mim", "scratch"], vendors=[["A", "B"]], seeds={"training": [1, 0]})
    assert {cell.id for cell in cells_of(turned)} == cells
    # Written down on purpose: another id would train every finished cell of a user again.
    (cell,) = cells_of(_experiment(methods=["scratch"]))
    assert cell.id == "scratch-n2-s0-5862d57a"


def test_whatever_defines_a_cell_changes_its_id() -> None:
    cell = cells_of(_experiment())[-1]
    others: list[dict[str, Any]] = [
        {"subjects": 3},
        {"training_seed": 5},
        {"subset_seed": 5},
        {"augmentation": False},
        {"phases": ("ED",)},
        {"updates": 7},
        {"split": (("test", 3),)},
        {"settings": ("batch_size=8",)},
    ]
    assert len({cell.id, *(replace(cell, **other).id for other in others)}) == len(others) + 1


def test_a_pretraining_is_shared_and_controls_follow_what_they_are_like() -> None:
    experiment = _experiment(subjects=[2, 3], seeds={"training": [0, 1]}, controls=["updates", "minutes"])
    cells = cells_of(experiment)
    (pretraining,) = [cell for cell in cells if cell.kind == "pretrain"]
    tuned = [cell for cell in cells if cell.method == "mim" and cell.kind == "finetune"]
    assert len(tuned) == 4 and {cell.parent for cell in tuned} == {pretraining.id}
    place = {cell.id: number for number, cell in enumerate(cells)}
    assert all(place[name] < place[cell.id] for cell in cells for name in cell.needs)
    assert sum("as-many-updates-as-mim" in cell.id for cell in cells) == 4
    assert sum(bool(cell.control) for cell in cells) == 8


def test_a_cell_without_augmentation_shows_slices_as_they_are() -> None:
    cells = cells_of(_experiment(augmentation=[False]))
    shown = [cell.recipe().augmentation for cell in cells if cell.kind == "finetune"]
    assert all(each.rotation_deg == 0 and each.scale == (1, 1) and not each.gamma_p for each in shown)
    (pretraining,) = [cell for cell in cells if cell.kind == "pretrain"]
    assert pretraining.recipe().augmentation.rotation_deg == 180


def test_seeds_are_set_apart() -> None:
    grid = {"seeds": {"pretraining": [7], "training": [1], "subset": [5]}}
    pretraining, *_, tuned = cells_of(_experiment(methods=["mim"], **grid))
    assert pretraining.recipe().seed == 7
    recipe = tuned.recipe()
    assert recipe.seed == 1 and recipe.model_dump()["seeds"]["subset"] == 5
    assert isinstance(tuned, Cell)
