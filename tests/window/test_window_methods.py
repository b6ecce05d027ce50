"""Pretraining with every method in the workbench."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.errors import CmrSspError
from cmr_ssp.recipes import load_recipe, method_names, methods
from cohort_helpers import mim, pretraining, segmentation, write_beating_cohort
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from window_helpers import (
    ENDLESS,
    Wait,
    ask,
    docked,
    idle,
    open_folder,
    reconstruction_view,
    runs_view,
    show,
    state,
    train,
    train_view,
)

from napari_cmr_ssp.panels import DataController, TrainController
from napari_cmr_ssp.panels.train.setting_fields import SettingFields
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcdef")


@pytest.fixture
def bench(
    make_napari_viewer: Any, tmp_path: Path, folder: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workbench]:
    """Return the workbench in a viewer, with the cohort open and the Train panel shown."""
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    bench = docked(make_napari_viewer(), tmp_path / "workspace")
    bench.tabs.setCurrentWidget(train_view(bench))
    open_folder(bench, folder, wait)
    yield bench
    bench.close_down()


def choose(bench: Workbench, method: str) -> None:
    train_view(bench).method.setCurrentIndex(method_names().index(method))


def sources(bench: Workbench) -> list[str]:
    return [train_view(bench).source.itemText(i) for i in range(1, train_view(bench).source.count())]


def test_every_method_is_offered_with_what_it_learns(bench: Workbench) -> None:
    for place, words in enumerate(methods()):
        method = words.name
        train_view(bench).method.setCurrentIndex(place)
        assert train_view(bench).method.currentText() == words.title
        assert words.learns in train_view(bench).method.toolTip()
        tip = train_view(bench).method.itemData(place, Qt.ItemDataRole.ToolTipRole)
        assert words.learns in tip
        assert train_view(bench).name.text() == f"{method}-1"
        assert bench.panel(TrainController).plan().recipe == load_recipe(f"{method}/cpu-small")
        (shown,) = [form for form in train_view(bench)._forms.values() if form.isVisibleTo(train_view(bench))]
        assert shown is train_view(bench).form


def test_each_method_pretrains_and_training_starts_from_any(bench: Workbench, wait: Wait) -> None:
    runs = {}
    for method in method_names():
        runs[method] = train(bench, pretraining(method, updates=4), wait, pretrains=True)
        assert runs[method].name == f"{method}-1"
        assert len(train_view(bench).curves.losses) == 4
        assert bool(train_view(bench).curves.scores) is (method == "dino")
    wait(lambda: len(sources(bench)) == len(method_names()))
    assert set(sources(bench)) == {f"{m.name}-1 ({m.short}, 4 updates)" for m in methods()}
    bench.session.tick_drawn(2, seed=0)
    for number, (method, start) in enumerate(runs.items(), 1):
        train_view(bench).stage.setCurrentIndex(1)
        train_view(bench).choose_source(start)
        run = train(bench, segmentation(updates=2), wait, pretrains=False)
        assert run.name == f"finetune-{number}"
        wait(
            lambda run=run: (
                runs_view(bench).selected_run is not None and runs_view(bench).selected_run.folder == run
            )
        )
        assert runs_view(bench).selected_run is not None
        assert runs_view(bench).selected_run.pretrained_from == start.name
        told = bench.job_bar.weights.text()
        assert bench.job_bar.weights.isVisibleTo(bench)
        decoder_comes_too = method == "mim"
        assert ("decoder" in bench.job_bar.weights.toolTip()) is not decoder_comes_too, told
        assert not told.startswith("Pretrained weights: 0 "), told


@pytest.mark.parametrize("method", ["simclr", "dino"])
def test_other_methods_stop_and_resume(bench: Workbench, wait: Wait, method: str) -> None:
    run = ask(bench, pretraining(method, updates=ENDLESS), pretrains=True)
    wait(lambda: len(train_view(bench).curves.losses) > 3)
    bench.job_bar.keep.click()
    wait(lambda: bench.job_bar.title.text().startswith("Stopped") and idle(bench))
    runs_view(bench).choose(run)
    assert runs_view(bench).selected_run is not None
    before = runs_view(bench).selected_run.update
    runs_view(bench).resume.click()
    wait(lambda: train_view(bench).curves.updates and train_view(bench).curves.updates[-1] > before)
    assert train_view(bench).curves.updates[0] == before + 1
    bench.job_bar.keep.click()
    wait(lambda: idle(bench))
    assert state(run) == "stopped"


def test_what_is_wrong_for_one_method_stays_with_it(bench: Workbench) -> None:
    train_view(bench).form.findChildren(SettingFields)[-1].rows["mask.hidden"].field.value = "2"
    with pytest.raises(CmrSspError, match=r"mask\.hidden"):
        bench.panel(TrainController).plan()
    choose(bench, "simclr")
    assert bench.panel(TrainController).plan().recipe == load_recipe("simclr/cpu-small")
    assert train_view(bench).name.text() == "simclr-1"
    choose(bench, "mim")
    with pytest.raises(CmrSspError, match=r"mask\.hidden"):
        bench.panel(TrainController).plan()
    assert train_view(bench).name.text() == "mim-1"


def test_the_recipe_follows_its_start_once_what_was_wrong_is_corrected(bench: Workbench, wait: Wait) -> None:
    pretrained = train(bench, pretraining("pcl"), wait, pretrains=True)
    bench.session.tick_drawn(1, 0)
    train_view(bench).stage.setCurrentIndex(1)
    assert train_view(bench).source.currentData() == str(pretrained), "it ended just now"
    train_view(bench).source.setCurrentIndex(0)
    train_view(bench).form.set_value(segmentation(method="scratch"))
    rate = train_view(bench).form.findChildren(SettingFields)[-1].rows["optimiser.learning_rate"].field
    rate.value = "fast"
    train_view(bench).choose_source(pretrained)
    assert "learning_rate" in train_view(bench).about.text()
    with pytest.raises(CmrSspError, match="learning_rate"):
        bench.panel(TrainController).plan()
    rate.value = "0.25"
    plan = bench.panel(TrainController).plan()
    assert plan.recipe is not None
    assert (plan.recipe.method, plan.recipe.optimiser.learning_rate) == ("finetune", 0.25)
    assert (plan.pretrained, plan.run_folder.name) == (pretrained, "finetune-1")


def test_the_copied_command_of_a_method_makes_its_recipe(bench: Workbench) -> None:
    from cmr_ssp.cli import main
    from cmr_ssp.runs import Run
    from cmr_ssp.weights import load_checkpoint

    choose(bench, "pcl")
    recipe = pretraining("pcl", updates=1)
    train_view(bench).form.set_value(recipe)
    train_view(bench).copy.click()
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    words = shlex.split(clipboard.text())
    assert words[1] == "pretrain"
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    assert not ended.value.code
    made = load_checkpoint(Run(Path(words[words.index("--run") + 1])).last).recipe
    assert made.model_copy(update={"threads": recipe.threads}) == recipe


def test_only_masked_image_modelling_rebuilds(bench: Workbench, wait: Wait) -> None:
    panel = reconstruction_view(bench)
    train(bench, pretraining("simclr"), wait, pretrains=True)
    wait(lambda: sources(bench))
    assert panel.run.count() == 0
    assert not panel.reconstruct.isEnabled()
    assert "only masked image modelling" in panel.result.text()
    train(bench, mim(), wait, pretrains=True)
    wait(lambda: panel.run.count() == 1)
    assert panel.run.itemText(0) == "mim-1"
    assert "Double click" in panel.result.text()
    show(bench, "a", wait)
    panel.reconstruct.click()
    wait(lambda: "mean squared error" in panel.result.text())


def test_preferences_are_those_of_the_moment(
    make_napari_viewer: Any, folder: Path, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    now = Preferences("cuda", 1, tmp_path / "first")
    monkeypatch.setattr("napari_cmr_ssp.preferences.read_preferences", lambda: now)
    bench = Workbench(make_napari_viewer())
    bench.panel(DataController).open_cohort(folder)
    wait(lambda: bench.session.cohort is not None and idle(bench))
    now = Preferences("cpu", 1, tmp_path / "second")
    run = train(bench, pretraining("simclr"), wait, pretrains=True)
    assert run == tmp_path / "second" / "runs" / "simclr-1"
    wait(lambda: [each.folder for each in runs_view(bench).runs.runs] == [run])
    bench.close_down()
