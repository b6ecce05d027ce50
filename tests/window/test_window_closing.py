"""Closing the dock, one of two windows, and the program: no job or edit is lost without a question."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.runs import Run
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import mim, write_beating_cohort
from places import HELPERS
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox
from window_helpers import ENDLESS, PLUGIN, Wait, ask, idle, open_folder, runs_view, show, state, train_view

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.io.writer import write_labels
from napari_cmr_ssp.panels import CorrectController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.workbench import Workbench

NAME = "Cardiac MR workbench (napari-cmr-ssp)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd")


@pytest.fixture
def opened(
    make_napari_viewer: Any, npe2pm: Any, tmp_path: Path, folder: Path, wait: Wait
) -> Iterator[Callable[[], tuple[Any, Workbench]]]:
    """Return a function that opens a visible viewer with the workbench and the cohort."""
    benches = []

    def opened() -> tuple[Any, Workbench]:
        viewer = make_napari_viewer(show=True)
        workspace = tmp_path / f"workspace-{len(benches)}"
        bench = dock_workbench(viewer, Preferences("cpu", 1, workspace))
        benches.append(bench)
        open_folder(bench, folder, wait)
        return viewer, bench

    with npe2pm.tmp_plugin(package=PLUGIN):
        yield opened
        for bench in benches:
            bench.close_down()


def cross(viewer: Any) -> None:
    """Click the close button of the dock."""
    viewer.window._wrapped_dock_widgets[NAME].title.close_button.click()


def close(viewer: Any) -> bool:
    """Close the window as a user does, and return whether it closed."""
    closed = bool(viewer.window._qt_window.close())
    if closed:
        viewer.close()  # before Qt deletes what the fixture would close
    return closed


def start(bench: Workbench, wait: Wait) -> Path:
    run = ask(bench, mim(updates=ENDLESS), pretrains=True)
    wait(lambda: len(train_view(bench).curves.losses) > 3)
    return run


def questions() -> list[QMessageBox]:
    return [box for box in QApplication.topLevelWidgets() if isinstance(box, QMessageBox) and box.isVisible()]


def answer(text: str, wait: Wait) -> str:
    """Click a button of the open message box, and return its text."""
    wait(questions)
    (box,) = questions()
    asked = box.text()
    next(button for button in box.buttons() if button.text().replace("&", "") == text).click()
    wait(lambda: not questions())
    return asked


def answer_soon(text: str, asked: list[str]) -> None:
    """Click a button of the modal message box that opens next."""

    def press() -> None:
        for box in questions():
            asked.append(box.text())
            next(button for button in box.buttons() if button.text().replace("&", "") == text).click()

    QTimer.singleShot(300, press)


def test_the_workbench_comes_back_as_it_was(opened: Any, wait: Wait) -> None:
    viewer, bench = opened()
    bench.session.tick_drawn(1, 0)
    bench.tabs.setCurrentWidget(runs_view(bench))
    cohort, ticks = bench.session.cohort, bench.session.ticks
    for _ in range(2):
        cross(viewer)
        QApplication.processEvents()
        assert not questions(), "nothing is running"
        assert not bench.isVisible()
        assert dock_workbench(viewer) is bench
        wait(bench.isVisible)
    assert (bench.session.cohort, bench.session.ticks) == (cohort, ticks) != (None, {})
    assert bench.tabs.currentWidget() is runs_view(bench)
    show(bench, "a", wait)
    assert "a" in viewer.layers


def test_a_job_goes_on_when_the_dock_is_closed(opened: Any, wait: Wait) -> None:
    viewer, bench = opened()
    run = start(bench, wait)
    cross(viewer)
    assert f"Pretrain {run.name}" in answer("Keep running", wait)
    before = len(train_view(bench).curves.losses)
    wait(lambda: len(train_view(bench).curves.losses) > before + 3)
    dock_workbench(viewer)
    wait(bench.job_bar.keep.isVisible)
    bench.job_bar.keep.click()
    wait(lambda: idle(bench))
    assert state(run) == "stopped"


def test_a_job_can_be_stopped_with_the_dock(opened: Any, wait: Wait) -> None:
    viewer, bench = opened()
    run = start(bench, wait)
    cross(viewer)
    answer("Stop and keep", wait)
    wait(lambda: idle(bench))
    assert state(run) == "stopped"
    assert not bench.isVisible()


def test_closing_the_dock_can_be_taken_back(opened: Any, wait: Wait) -> None:
    viewer, bench = opened()
    run = start(bench, wait)
    cross(viewer)
    answer("Cancel", wait)
    wait(bench.isVisible)
    assert NAME in viewer.window._wrapped_dock_widgets
    assert state(run) == "running"


def test_closing_one_of_two_windows_stops_its_own_job_alone(opened: Any, wait: Wait) -> None:
    first, second = opened(), opened()
    runs = [start(bench, wait) for _, bench in (first, second)]
    asked: list[str] = []
    answer_soon("Close", asked)
    assert close(second[0])
    assert len(asked) == 1 and f"Pretrain {runs[1].name}" in asked[0]
    assert [state(run) for run in runs] == ["running", "stopped"]
    before = len(train_view(first[1]).curves.losses)
    wait(lambda: len(train_view(first[1]).curves.losses) > before + 3)


def test_the_window_stays_open_where_the_answer_is_no(opened: Any, wait: Wait, tmp_path: Path) -> None:
    viewer, bench = opened()
    run = start(bench, wait)
    show(bench, "a", wait)
    reference = viewer.layers["a reference"]
    reference.paint((0, 0, 5, 5), 2)
    asked: list[str] = []
    for _ in range(2):
        answer_soon("Cancel", asked)
        assert not close(viewer)
        assert viewer.window._qt_window.isVisible() and state(run) == "running"
        bench.job_bar.keep.click()
        wait(lambda: idle(bench))
        run = start(bench, wait)
    assert len(asked) == 2 and all(run.name[:-1] in text and "a reference" in text for text in asked)
    attributes = {"name": reference.name, "scale": list(reference.scale), "metadata": reference.metadata}
    write_labels(str(tmp_path / "saved.nii.gz"), reference.data, attributes)
    answer_soon("Cancel", asked)
    assert not close(viewer)
    assert "a reference" not in asked[-1]


def test_nothing_is_asked_where_nothing_is_lost(opened: Any, wait: Wait) -> None:
    viewer, bench = opened()
    show(bench, "a", wait)
    assert close(viewer)


def test_a_script_that_closes_its_viewer_is_not_asked(opened: Any, wait: Wait) -> None:
    viewer, bench = opened()
    run = start(bench, wait)
    viewer.close()
    assert state(run) == "stopped"


def test_an_edit_is_unsaved_until_it_is_written(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer()
    labels = viewer.add_labels(np.zeros((4, 5, 5), np.uint8), name="mine")
    edits.watch(labels)
    edits.watch(labels)
    assert edits.unsaved(viewer.layers) == []
    labels.paint((0, 1, 1), 1)
    assert edits.unsaved(viewer.layers) == [labels]
    edits.forget(labels.data.copy())
    assert edits.unsaved(viewer.layers) == [labels]
    edits.forget(labels.data)
    assert edits.unsaved(viewer.layers) == []
    labels.fill((0, 1, 1), 2)
    assert edits.unsaved(viewer.layers) == [labels]


PROGRAM = """
import sys, time
from pathlib import Path
import napari
from cmr_ssp.methods.mim.objective import MimObjective
from cohort_helpers import mim
from qtpy.QtWidgets import QApplication
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.panels import DataController, TrainController

loss = MimObjective.loss
def slow(*arguments):
    time.sleep(3)  # longer than closing a window waits
    return loss(*arguments)
MimObjective.loss = slow

def until(condition):
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)

viewers = [napari.Viewer() for _ in range(2)]
bench = dock_workbench(viewers[1], Preferences("cpu", 1, Path(sys.argv[2])))
bench.panel(DataController).open_cohort(Path(sys.argv[1]))
until(lambda: bench.session.cohort is not None)
train = bench.panel(TrainController).view
train.form.set_value(mim(updates=100))
train.start.click()
until(lambda: len(train.curves.losses) == 1)
for viewer in reversed(viewers):
    viewer.close()
QApplication.quit()
"""


def test_the_program_ends_in_order_though_a_step_takes_long(folder: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path)]
    environment = {"PYTHONPATH": os.pathsep.join([str(HELPERS), *sys.path])}
    ended = subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    (run,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert state(run) == "stopped"
    assert load_checkpoint(Run(run).last).tally["update"] >= 1


def test_closing_tells_drafted_contours_from_edits_that_are_lost(opened: Any, wait: Wait) -> None:
    viewer, bench = opened()
    show(bench, "a", wait)
    bench.panel(CorrectController).start("a reference")
    shown = bench.scene.corrections.of(bench.session.exam)
    assert shown is not None
    plane = shown.contours.plane((0, 0))
    plane[:2] = 1
    shown.change({(0, 0): plane})
    asked: list[str] = []
    answer_soon("Cancel", asked)
    assert not close(viewer)
    (text,) = asked
    assert "a draft is offered" in text and "a contours" in text
    assert "lost" not in text
    painted = viewer.add_labels(np.zeros(shown.layer.data.shape, np.uint8), name="painted")
    painted.paint((0, 0, 2, 2), 3)
    answer_soon("Cancel", asked)
    assert not close(viewer)
    assert "lost:\n  • painted" in asked[-1] and "a draft is offered" in asked[-1]
    answer_soon("Close", asked)
    assert close(viewer)
