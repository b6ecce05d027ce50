"""What the open workbench costs a cine that plays, against bare napari.

Two windows of one process show the same cine of 25 frames, 11 slices and 256 x 256 pixels with labels at the
same canvas size, one with the workbench docked, one with an empty panel in its place. They play in turns of a
few seconds, as fast as they can, so that whatever else the machine does meets both; the result is the median
over the turns of the ratio of frames drawn. Needs a display (``xvfb-run -s "-screen 0 1600x1000x24"``).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import napari
from common import verdict
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication, QWidget
from window_common import SIZE, pump, show, window, write_cohort

from napari_cmr_ssp.scene.layers import image_layer, segmentation_layer
from napari_cmr_ssp.workbench import Workbench

TARGET = 0.97
FASTER_THAN_POSSIBLE = 60


def played(viewer: Any, seconds: float) -> tuple[float, float]:
    """Play the cine; return frames drawn a second, and ms of processor time a frame."""
    window, canvas = viewer.window._qt_window, viewer.window._qt_viewer.canvas
    window.show()
    pump(0.5)
    drawn: list[object] = []

    def count(event: object) -> None:
        drawn.append(event)

    canvas._scene_canvas.events.draw.connect(count)
    viewer.window._qt_viewer.dims.play(0, fps=FASTER_THAN_POSSIBLE)
    began, worked = time.perf_counter(), time.process_time()
    awake = QTimer()
    awake.start(20)
    while time.perf_counter() < began + seconds:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    viewer.window._qt_viewer.dims.stop()
    canvas._scene_canvas.events.draw.disconnect(count)
    pump(0.5)
    window.hide()
    return len(drawn) / took, 1000 * worked / max(len(drawn), 1)


def bare(bench: Workbench) -> Any:
    """Return a window with the same image and an empty panel as wide as the workbench."""
    viewer, exam = napari.Viewer(), bench.session.exam
    assert exam is not None
    viewer.window._qt_window.resize(*SIZE)
    panel = QWidget()
    panel.setMinimumWidth(bench.width())
    viewer.window.add_dock_widget(panel, area="right")
    labels = segmentation_layer(exam.reference_labels, exam.stack.grid, "labels")
    for data in (image_layer(exam.pixels, exam.stack.grid, "cine"), labels):
        viewer.add_layer(napari.layers.Layer.create(*data))
    viewer.reset_view()
    return viewer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a second a turn")
    parser.add_argument("--turns", type=int, default=10)
    chosen = parser.parse_args()
    seconds = 1.0 if chosen.quick else 4.0
    with tempfile.TemporaryDirectory() as temporary:
        ours, bench = window(Path(temporary), write_cohort(Path(temporary) / "cohort"))
        show(bench, 0)
        theirs = bare(bench)
        for viewer in (ours, theirs):
            viewer.window._qt_window.hide()
        turns = [(played(theirs, seconds), played(ours, seconds)) for _ in range(chosen.turns + 1)]
        turns = turns[1:]  # the first one prepares shaders and caches
        canvas = ours.window._qt_viewer.canvas.native
        for name, each in zip(("bare napari", "with the workbench"), zip(*turns, strict=True), strict=True):
            frames, ms = (statistics.median(values) for values in zip(*each, strict=True))
            print(f"{name}: {frames:.1f} frames a second, {ms:.1f} ms of processor time a frame")
        print(f"canvas of {canvas.width()} x {canvas.height()}")
        bench.close_down()
        ours.close()
        theirs.close()
    ratio = statistics.median(with_it[0] / alone[0] for alone, with_it in turns)
    cost = statistics.median(with_it[1] / alone[1] for alone, with_it in turns)
    print(f"{cost:.2f} times the processor time a frame")
    verdict("times as many frames with the workbench", ratio, TARGET)


if __name__ == "__main__":
    main()
