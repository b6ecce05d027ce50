"""How long the window needs for what a hand does: opening, pushing a contour, and the Dice that follows.

In the real window, with a synthetic cine of 25 frames, 11 slices and 256 x 256 pixels and contours in every
slice. A push-tool event is a move of the mouse with all that it changes, canvas included; the last event of a
stroke makes the step, updates the state map and the volume curve, and computes the 3D Dice. Then exams are
shown, corrected and left again and again: threads and memory must not grow. Needs a display (``xvfb-run``).
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import napari
import nibabel as nib
import numpy as np
import psutil
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.shapes import swept_disc
from common import verdict
from qtpy.QtWidgets import QApplication
from window_stalls import until

from napari_cmr_ssp.panels import CorrectController, DataController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

SHAPE = (25, 11, 256, 256)
SPACING_MM = (8.0, 1.4, 1.4)
OPEN_S, DRAG_MS, DICE_MS, GROWTH_MB = 1.0, 50.0, 200.0, 50.0
MIB = 1 << 20


def heart() -> np.ndarray:
    """Return labels of one slice: a cavity in a wall, and an RV."""
    plane = np.zeros(SHAPE[2:], np.uint8)
    plane[swept_disc(SHAPE[2:], (128, 90), (128, 90), 34, SPACING_MM[1:])] = Structure.RV
    plane[swept_disc(SHAPE[2:], (128, 138), (128, 138), 44, SPACING_MM[1:])] = Structure.MYO
    plane[swept_disc(SHAPE[2:], (128, 138), (128, 138), 32, SPACING_MM[1:])] = Structure.LV
    return plane


def write_cohort(folder: Path) -> None:
    """Write two noisy cines, labelled at frames 0 and 10."""
    folder.mkdir()
    affine = np.diag([*SPACING_MM[:0:-1], SPACING_MM[0], 1.0])
    labels = np.broadcast_to(heart(), SHAPE[1:]).transpose(2, 1, 0)
    rows = ["id,ed_frame,es_frame"]
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 400, SHAPE[::-1], dtype=np.int16)
        nib.save(nib.Nifti1Image(noise, affine), folder / f"s{number}.nii")
        for phase in ("ED", "ES"):
            nib.save(nib.Nifti1Image(labels, affine), folder / f"s{number}_{phase}_gt.nii")
        rows.append(f"s{number},0,10")
    (folder / "subjects.csv").write_text("\n".join(rows) + "\n")


def push_ms(bench: Workbench, n_strokes: int) -> tuple[list[float], list[float]]:
    """Return the ms of each move of the mouse, and of each end of a stroke."""
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


def timed(act: Any) -> float:
    """Return the ms of an action and of the drawing that it causes."""
    began = time.perf_counter()
    act()
    QApplication.processEvents()
    return 1000 * (time.perf_counter() - began)


def show(bench: Workbench, number: int) -> None:
    """Show a subject."""
    subject = bench.session.subjects[number]
    bench.panel(DataController).show_exam(subject)
    until(lambda: bench.session.exam is not None and bench.session.exam.belongs_to(subject))
    until(lambda: bench.desk.is_idle)


def cycles_mb(bench: Workbench, n_cycles: int) -> tuple[float, int]:
    """Show, correct and leave exams; return the growth in MiB after the first two, and the new threads."""
    controller, process = bench.panel(CorrectController), psutil.Process()
    first, n_threads = 0.0, threading.active_count()
    for number in range(n_cycles):
        show(bench, number % 2)
        if bench.scene.corrections.of(bench.session.exam) is None:
            controller.start(controller.view.source.itemText(0))
        controller.act("grow")
        controller.act("undo")
        if number == 3:
            gc.collect()
            first = process.memory_info().rss / MIB
    gc.collect()
    return process.memory_info().rss / MIB - first, threading.active_count() - n_threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few strokes and cycles")
    chosen = parser.parse_args()
    n_strokes, n_cycles = (5, 6) if chosen.quick else (40, 50)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_cohort(folder / "cohort")
        viewer = napari.Viewer()
        QApplication.processEvents()
        began = time.perf_counter()
        bench = Workbench(viewer, Preferences("cpu", 1, folder))
        viewer.window.add_dock_widget(bench)
        QApplication.processEvents()
        opened = time.perf_counter() - began
        bench.panel(DataController).open_cohort(folder / "cohort")
        until(lambda: bench.session.cohort is not None and bench.desk.is_idle)
        show(bench, 0)
        controller = bench.panel(CorrectController)
        controller.start(controller.view.source.itemText(0))
        controller.view.tools.choose("push")
        moves, ends = push_ms(bench, n_strokes)
        grown, new_threads = cycles_mb(bench, n_cycles)
        bench.close_down()
        viewer.close()
    for name, ms in (("move", moves), ("end of a stroke, with Dice", ends)):
        middle, high = np.percentile(ms, (50, 95))
        print(f"{name}: {middle:.1f} ms at the median, {high:.1f} at the 95th percentile")
    verdict("seconds to open the workbench", opened, OPEN_S, at_most=True)
    verdict("ms of a move of the push tool", float(np.percentile(moves, 95)), DRAG_MS, at_most=True)
    verdict("ms of the end of a stroke, with Dice", float(np.percentile(ends, 95)), DICE_MS, at_most=True)
    verdict(f"MiB more after {n_cycles} exams", grown, GROWTH_MB, at_most=True)
    verdict("more threads", float(new_threads), 0.0, at_most=True)


if __name__ == "__main__":
    main()
