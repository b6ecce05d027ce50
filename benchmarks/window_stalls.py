"""How late the window's event loop is while a training runs in its background thread.

A timer of the GUI thread asks to be called every few milliseconds; how much later it is called than it should
have been is what a user feels. Measured in the real window, with the real training of a preset: idle, while
training, and while training with the cine playing at 20 frames a second. Needs a display (``xvfb-run``).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from cmr_ssp.phantoms import write_phantom_cohort
from common import verdict
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_cmr_ssp.panels import DataController, TrainController
from napari_cmr_ssp.preferences import Preferences, free_threads
from napari_cmr_ssp.workbench import Workbench

TRAINING_TARGET_MS, PLAYING_TARGET_MS = 20.0, 40.0
FRAMES_A_SECOND = 20
PERIOD_MS = 5
PATIENCE_S = 300.0


class Stopwatch:
    """Notes how late a timer of the GUI thread is called."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self._due = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._called)

    def watch(self, seconds: float) -> np.ndarray:
        """Return the delays in ms over some seconds."""
        self.late_ms = []
        self._again()
        end = time.perf_counter() + seconds
        until(lambda: time.perf_counter() > end)
        self._timer.stop()
        return np.array(self.late_ms)

    def _again(self) -> None:
        self._due = time.perf_counter() + PERIOD_MS / 1000
        self._timer.start(PERIOD_MS)

    def _called(self) -> None:
        self.late_ms.append(max(0.0, 1000 * (time.perf_counter() - self._due)))
        self._again()


def until(condition: Callable[[], object]) -> None:
    """Let Qt work, asleep while nothing is to do, until something holds."""
    end = time.monotonic() + PATIENCE_S
    awake = QTimer()
    awake.start(20)
    while not condition():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        if time.monotonic() > end:
            raise SystemExit("nothing happened")


def report(name: str, late_ms: np.ndarray) -> float:
    """Print the distribution and return its 95th percentile."""
    middle, high, most = np.percentile(late_ms, (50, 95, 100))
    print(
        f"{name}: ms late {middle:.1f} at the median, {high:.1f} at the 95th percentile, {most:.0f} at most"
    )
    return float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three seconds a measurement")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--preset", default="scratch/cpu-small")
    parser.add_argument("--threads", type=int, default=free_threads(), help="of the training")
    chosen = parser.parse_args()
    seconds = 3.0 if chosen.quick else chosen.seconds
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_phantom_cohort(folder / "cohort", 4, seed=1)
        viewer = napari.Viewer()
        began = time.perf_counter()
        bench = Workbench(viewer, Preferences("cpu", chosen.threads, folder))
        viewer.window.add_dock_widget(bench)
        print(f"widget opened in {time.perf_counter() - began:.2f} s")
        watch = Stopwatch()
        bench.panel(DataController).open_cohort(folder / "cohort")
        until(lambda: bench.session.cohort is not None and not bench.desk.trainer.is_busy)
        bench.session.tick_drawn(2, 0)
        bench.panel(DataController).show_exam(bench.session.subjects[0])
        until(lambda: bench.session.exam is not None)
        report("idle", watch.watch(seconds))
        train = bench.panel(TrainController).view
        bench.tabs.setCurrentWidget(train)
        train.stage.setCurrentIndex(1)
        train.form.set_preset(chosen.preset)
        train.start.click()
        until(lambda: len(train.curves.updates) > 5)
        training = report("training", watch.watch(seconds))
        play = viewer.window._qt_viewer.dims
        play.play(0, fps=FRAMES_A_SECOND)
        playing = report("training and playing", watch.watch(seconds))
        play.stop()
        print(f"{len(train.curves.updates)} updates on {chosen.threads} threads")
        bench.close_down()
        viewer.close()
    verdict("ms late while training", training, TRAINING_TARGET_MS, at_most=True)
    verdict("ms late while training and playing", playing, PLAYING_TARGET_MS, at_most=True)


if __name__ == "__main__":
    main()
