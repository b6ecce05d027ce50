"""What the benchmarks of the window share: waiting, cines of a usual size, and strokes of the push tool."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import napari
import nibabel as nib
import numpy as np
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.shapes import swept_disc
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.panels import CorrectController, DataController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

SHAPE = (25, 11, 256, 256)
SPACING_MM = (8.0, 1.4, 1.4)
SIZE = (1500, 900)
MIB = 1 << 20
PATIENCE_S = 300.0


def until(condition: Callable[[], object]) -> None:
    """Let Qt work, asleep while nothing is to do, until something holds."""
    end = time.monotonic() + PATIENCE_S
    awake = QTimer()
    awake.start(20)
    while not condition():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        if time.monotonic() > end:
            raise SystemExit("nothing happened")


def pump(seconds: float) -> None:
    """Let Qt work for a while."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end)


def heart() -> np.ndarray:
    """Return labels of one slice: a cavity in a wall, and an RV."""
    plane = np.zeros(SHAPE[2:], np.uint8)
    plane[swept_disc(SHAPE[2:], (128, 90), (128, 90), 34, SPACING_MM[1:])] = Structure.RV
    plane[swept_disc(SHAPE[2:], (128, 138), (128, 138), 44, SPACING_MM[1:])] = Structure.MYO
    plane[swept_disc(SHAPE[2:], (128, 138), (128, 138), 32, SPACING_MM[1:])] = Structure.LV
    return plane


def write_cohort(folder: Path, n_subjects: int = 2, ending: str = ".nii") -> Path:
    """Write noisy cines of a heart that beats a little, labelled at frames 0 and 10."""
    folder.mkdir()
    affine = np.diag([*SPACING_MM[:0:-1], SPACING_MM[0], 1.0])
    labels = np.broadcast_to(heart(), SHAPE[1:]).transpose(2, 1, 0)
    beats = (1 + 0.3 * np.cos(2 * np.pi * np.arange(SHAPE[0]) / SHAPE[0])).astype(np.float32)
    bright = np.array([0, 400, 80, 300], np.float32)[labels]
    rows = ["id,ed_frame,es_frame"]
    for number in range(n_subjects):
        pixels = np.random.default_rng(number).integers(0, 200, SHAPE[::-1], dtype=np.int16)
        for frame, beat in enumerate(beats):
            pixels[..., frame] += (beat * bright).astype(np.int16)
        nib.save(nib.Nifti1Image(pixels, affine), folder / f"s{number}{ending}")
        for phase in ("ED", "ES"):
            nib.save(nib.Nifti1Image(labels, affine), folder / f"s{number}_{phase}_gt.nii")
        rows.append(f"s{number},0,10")
    (folder / "subjects.csv").write_text("\n".join(rows) + "\n")
    return folder


def window(workspace: Path, cohort: Path, threads: int = 1) -> tuple[Any, Workbench]:
    """Return a viewer with the docked workbench and an open cohort."""
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(*SIZE)
    bench = dock_workbench(viewer, Preferences("cpu", threads, workspace))
    bench.panel(DataController).open_cohort(cohort)
    until(lambda: bench.session.cohort is not None and bench.desk.is_idle)
    return viewer, bench


def show(bench: Workbench, number: int) -> None:
    """Show a subject."""
    subject = bench.session.subjects[number]
    bench.panel(DataController).show_exam(subject)
    until(lambda: bench.session.exam is not None and bench.session.exam.belongs_to(subject))
    until(lambda: bench.desk.is_idle)


def push(bench: Workbench, n_strokes: int) -> tuple[list[float], list[float]]:
    """Push contours; return the ms of each move of the mouse, and of each end of a stroke."""
    shown = bench.scene.corrections.of(bench.session.exam)
    tools = bench.panel(CorrectController).tools
    moves, ends = [], []
    for number in range(n_strokes):
        angle = 2 * np.pi * number / n_strokes
        points = [(128 + r * np.sin(angle), 138 + r * np.cos(angle)) for r in range(29, 37)]
        event = SimpleNamespace(
            button=1, type="mouse_press", dims_displayed=[2, 3], position=world(shown.layer, bench, points[0])
        )
        stroke = tools._drag(shown.layer, event)
        next(stroke)
        event.type = "mouse_move"
        for point in points[1:]:
            event.position = world(shown.layer, bench, point)
            moves.append(timed(lambda stroke=stroke: next(stroke)))
        event.type = "mouse_release"
        ends.append(timed(lambda stroke=stroke: next(stroke, None)))
    return moves, ends


def world(layer: Any, bench: Workbench, point: tuple[float, float]) -> Any:
    """Return where a pixel of the shown slice lies on the canvas."""
    return layer.data_to_world((bench.scene.frame, bench.scene.slice, *point))


def timed(act: Callable[[], object]) -> float:
    """Return the ms of an action and of the drawing that it causes."""
    began = time.perf_counter()
    act()
    QApplication.processEvents()
    return 1000 * (time.perf_counter() - began)
