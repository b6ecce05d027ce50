"""How late the window's event loop is while something happens, and how soon a segmentation is seen.

A timer of the GUI thread asks to be called every few milliseconds; how much later it is called than it should
have been is what a user feels. On a shared machine this includes waiting for a processor; the processor time
of the GUI thread between two calls does not. Measured in the real window with cines of 25 frames, 11 slices
and 256 x 256 pixels: idle, while slices are cached, while a network trains and segments (both also with the
cine playing at 20 frames a second), while contours are pushed, and while layers come and go. Then, from a
warm worker, the seconds from the click to the first labels of the shown slice on the canvas. Needs a display
(``xvfb-run``).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cmr_ssp.subjects import Role
from common import verdict
from qtpy.QtCore import Qt, QTimer
from window_common import pump, push, show, until, window, write_cohort

from napari_cmr_ssp.panels import CorrectController, RunsController, TrainController
from napari_cmr_ssp.preferences import free_threads
from napari_cmr_ssp.scene.growing import GROWING
from napari_cmr_ssp.workbench import Workbench

TARGET_MS, PLAYING_TARGET_MS, MOST_MS, FIRST_S = 20.0, 40.0, 250.0, 1.5
FRAMES_A_SECOND = 20
PERIOD_MS = 5


class Stopwatch:
    """Notes how late a timer of the GUI thread is called, and how long the thread worked since."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self.busy_ms: list[float] = []
        self._due = self._worked = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._called)

    def during(self, act: Callable[[], object]) -> tuple[np.ndarray, np.ndarray]:
        """Return delays and work in ms while something is done that lets Qt work."""
        self.late_ms, self.busy_ms = [], []
        self._again()
        act()
        self._timer.stop()
        self._note()
        return np.array(self.late_ms), np.array(self.busy_ms)

    def _again(self) -> None:
        self._due, self._worked = time.perf_counter() + PERIOD_MS / 1000, time.thread_time()
        self._timer.start(PERIOD_MS)

    def _note(self) -> None:
        self.late_ms.append(max(0.0, 1000 * (time.perf_counter() - self._due)))
        self.busy_ms.append(1000 * (time.thread_time() - self._worked))

    def _called(self) -> None:
        self._note()
        self._again()


class Session:
    """The window of the measurement, and what was found."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.viewer, self.bench = window(folder, write_cohort(folder / "cohort", ending=".nii.gz"), threads)
        self.watch = Stopwatch()
        self.found: dict[str, tuple[np.ndarray, bool]] = {}

    def measure(self, name: str, act: Callable[[], object], *, playing: bool = False) -> None:
        """Measure the delays during an act and print them."""
        dims = self.viewer.window._qt_viewer.dims
        if playing:
            dims.play(0, fps=FRAMES_A_SECOND)
        late_ms, busy_ms = self.watch.during(act)
        dims.stop()
        self.found[name] = late_ms, playing
        late, busy = (
            "{:.1f}, {:.1f}, {:.0f}".format(*np.percentile(each, (50, 95, 100)))
            for each in (late_ms, busy_ms)
        )
        print(
            f"{name}: ms late {late} (median, 95th percentile, most); ms of its own work {busy}"
            f" ({len(late_ms)} calls, load {os.getloadavg()[0]:.1f})",
            flush=True,
        )

    def judge(self) -> None:
        """Print what met its target."""
        for name, (late_ms, playing) in self.found.items():
            high, target = float(np.percentile(late_ms, 95)), PLAYING_TARGET_MS if playing else TARGET_MS
            verdict(f"ms late, {name}", high, target, at_most=True)
            verdict(f"ms late at most, {name}", float(late_ms.max()), MOST_MS, at_most=True)


def tick_all(bench: Workbench) -> None:
    """Tick all labels for training, also those of test subjects."""
    session = bench.session
    session.set_role([subject.id for subject in session.subjects], Role.TRAIN)
    session.use_split(session.split, {each.id: frozenset(each.phases) for each in session.subjects})


def train(session: Session, preset: str, seconds: float) -> None:
    """Cache slices and train; keep the run."""
    bench = session.bench
    tick_all(bench)
    panel = bench.panel(TrainController).view
    bench.tabs.setCurrentWidget(panel)
    panel.stage.setCurrentIndex(1)
    panel.form.set_preset(preset)

    def start() -> None:
        panel.start.click()
        until(lambda: len(panel.curves.updates) > 0 or bench.desk.is_idle)

    session.measure("caching slices", start)
    until(lambda: len(panel.curves.updates) > 5)
    session.measure("training", lambda: pump(seconds))
    session.measure("training and playing", lambda: pump(seconds), playing=True)
    bench.job_bar.keep.click()
    until(lambda: bench.desk.is_idle)


def segment(bench: Workbench, *, to_the_end: bool = True) -> float:
    """Segment the shown exam; return the seconds until the shown slice was on the canvas."""
    runs = bench.panel(RunsController).view
    runs.choose(runs.runs.runs[0].folder)
    began = time.perf_counter()
    runs.segment_shown.click()

    def seen() -> bool:
        grown = [layer for layer in bench.scene._viewer.layers if GROWING in layer.metadata]
        return any(np.any(layer._slice.image.raw) for layer in grown) or bench.desk.is_idle

    until(seen)
    first = time.perf_counter() - began
    if not to_the_end:
        bench.job_bar.keep.click()
    until(lambda: bench.desk.is_idle)
    return first


def edit(session: Session, n_strokes: int) -> None:
    """Push contours in several frames."""
    bench = session.bench
    controller = bench.panel(CorrectController)
    show(bench, 0)
    controller.start(f"{bench.session.subjects[0].id} reference")
    controller.view.tools.choose("push")
    session.measure("pushing contours", lambda: push(bench, n_strokes))


def change_layers(bench: Workbench, n: int) -> None:
    """Show exams in turn, with a copy of their labels that is removed again."""
    layers: Any = bench.scene._viewer.layers
    for number in range(n):
        show(bench, number % 2)
        layers.selection = {layers[-1]}
        layers.remove_selected()
        pump(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three seconds a measurement")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--preset", default="scratch/cpu-small")
    parser.add_argument("--threads", type=int, default=free_threads(), help="of the training")
    chosen = parser.parse_args()
    seconds, rounds = (3.0, 3) if chosen.quick else (chosen.seconds, 9)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CMR_SSP_CACHE"] = f"{temporary}/cache"
        session = Session(Path(temporary), chosen.threads)
        bench = session.bench
        show(bench, 0)
        pump(1.0)
        session.measure("idle", lambda: pump(seconds))
        session.measure("playing", lambda: pump(seconds), playing=True)
        train(session, chosen.preset, seconds)
        session.measure("segmenting", lambda: segment(bench))
        session.measure("segmenting and playing", lambda: segment(bench), playing=True)
        bench.scene.go_to(7, 5)
        first = [segment(bench, to_the_end=False) for _ in range(rounds)]
        session.measure("changing exams and layers", lambda: change_layers(bench, 2 * rounds))
        edit(session, 4 * rounds)
        bench.close_down()
        session.viewer.close()
    session.judge()
    print(f"seconds to the first labels: {', '.join(f'{each:.2f}' for each in first)}")
    verdict("seconds to the first labels, median", statistics.median(first), FIRST_S, at_most=True)


if __name__ == "__main__":
    main()
