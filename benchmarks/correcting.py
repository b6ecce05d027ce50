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

import napari
import numpy as np
import psutil
from common import verdict
from qtpy.QtWidgets import QApplication
from window_common import MIB, push, show, until, write_cohort

from napari_cmr_ssp.panels import CorrectController, DataController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

OPEN_S, DRAG_MS, DICE_MS, GROWTH_MB = 1.0, 50.0, 200.0, 50.0


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
        moves, ends = push(bench, n_strokes)
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
