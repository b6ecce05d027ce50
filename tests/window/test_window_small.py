"""A small window with much to say: long problems and a queue scroll, and nothing makes the window grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event as Gate
from typing import Any

import pytest
from cmr_ssp.errors import Problem
from cmr_ssp.phantoms import write_phantom_cohort
from qtpy.QtCore import QPoint, QRect
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget
from window_helpers import Wait, docked, idle, open_folder, show

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.panels import CorrectController, RunsController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

SIZE = (1024, 700)
LONG = "a_rather_long_name_of_a_file_without_any_space_" * 3


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def bench(viewer: Any, tmp_path: Path, wait: Wait, gate: Gate) -> Iterator[Workbench]:
    bench = docked(viewer, tmp_path)
    viewer.window._qt_window.show()
    viewer.window.resize(*SIZE)
    wait(lambda: idle(bench))
    yield bench
    gate.set()
    wait(lambda: idle(bench))
    bench.close_down()


def inside_window(widget: QWidget) -> QRect:
    """Return the visible part of a widget, in pixels of its window."""
    window = widget.window()
    assert window is not None
    shown = widget.visibleRegion().boundingRect()
    return shown.translated(widget.mapTo(window, QPoint(0, 0)))


def is_whole(widget: QWidget) -> bool:
    return widget.visibleRegion().boundingRect() == widget.rect()


def test_the_workbench_fills_its_dock(viewer: Any, tmp_path: Path, wait: Wait) -> None:
    bench = dock_workbench(viewer, Preferences("cpu", 1, tmp_path))
    viewer.window._qt_window.show()
    viewer.window.resize(1400, 900)
    dock = bench.parentWidget()
    assert dock is not None
    wait(lambda: dock.height() > 800)
    wait(lambda: bench.height() == dock.height())
    bench.close_down()


def test_long_problems_and_a_queue_fit_1024_by_700(bench: Workbench, gate: Gate, wait: Wait) -> None:
    window = bench.window()
    assert window is not None
    for number in range(4):
        bench.desk.compute(Job(f"Pretrain {LONG} {number}", lambda *_: gate.wait(30)))
    wait(lambda: len(bench.job_bar.waiting.rows) == 3)
    many = [Problem(f"{n}/{LONG}.nii.gz", f"is damaged in {LONG}", f"Copy it again {n}.") for n in range(6)]
    before = window.size()
    bench.desk.show_problems(many)
    for tab in range(bench.tabs.count()):
        bench.tabs.setCurrentIndex(tab)
        wait(lambda: bench.job_bar.problems.isVisible())
        bench.repaint()
        wait(lambda: is_whole(bench.job_bar.keep))
        assert window.size() == before, bench.tabs.tabText(tab)
        areas = [area for area in bench.job_bar.findChildren(QScrollArea) if area.isVisible()]
        assert len(areas) == 2
        for each in (*areas, bench.job_bar.history, bench.job_bar.keep, bench.job_bar.progress):
            assert is_whole(each), (bench.tabs.tabText(tab), type(each).__name__)
            assert window.rect().contains(inside_window(each))
    problem_area = bench.job_bar._problem_area
    assert problem_area.height() >= 3 * bench.fontMetrics().height()
    bar = problem_area.verticalScrollBar()
    assert bar is not None and bar.maximum() > 0
    assert "Copy it again 5" in bench.job_bar.problems.text()
    assert bench.job_bar.problems.width() <= problem_area.width(), "a long word makes all lines longer"
    assert LONG in bench.job_bar.problems.toolTip()


def test_a_short_problem_has_its_own_height(bench: Workbench, wait: Wait) -> None:
    bench.desk.show_problems([Problem("a.nii.gz", "is damaged", "Copy it again.")])
    wait(lambda: bench.job_bar.problems.isVisible())
    area, bar = bench.job_bar._problem_area, bench.job_bar._problem_area.verticalScrollBar()
    wait(lambda: bar is not None and bar.maximum() == 0)
    assert area.height() <= 3 * bench.fontMetrics().lineSpacing()
    bench.desk.clear()
    assert not area.isVisible()


def test_an_exam_with_labels_and_a_cohort_fit_1024_by_700(
    viewer: Any, bench: Workbench, tmp_path: Path, wait: Wait
) -> None:
    write_phantom_cohort(tmp_path / "cohort", 2, seed=5)
    open_folder(bench, tmp_path / "cohort", wait)
    show(bench, bench.session.subjects[0].id, wait)
    bench.panel(CorrectController).start(f"{bench.session.subjects[0].id} reference")
    bench.panel(RunsController).view.models.offer("No model.")
    window = viewer.window._qt_window
    for tab in range(bench.tabs.count()):
        bench.tabs.setCurrentIndex(tab)
        viewer.window.resize(*SIZE)
        QApplication.processEvents()
        assert (window.width(), window.height()) == SIZE, bench.tabs.tabText(tab)
        assert window.minimumSizeHint().width() <= SIZE[0]
