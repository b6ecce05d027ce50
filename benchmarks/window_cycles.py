"""Whether the window keeps threads or memory after trainings were cancelled and exams segmented and closed.

In the real window with `scratch/demo` on cines of 25 frames, 11 slices and 256 x 256 pixels: a hundred
trainings are started and discarded, then fifty times an exam is shown and segmented and the cohort is opened
again, which closes it. Memory counts from the fifth cycle of each, when what is loaded once is loaded. Needs
a display (``xvfb-run``).
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from common import verdict
from qtpy.QtWidgets import QApplication
from window_common import MIB, show, until, window, write_cohort
from window_stalls import segment, tick_all

from napari_cmr_ssp.panels import DataController, TrainController
from napari_cmr_ssp.workbench import Workbench

GROWTH_MB, WARM = 50.0, 5


def start_and_cancel(bench: Workbench) -> None:
    """Start a training and discard it while it prepares or trains."""
    panel = bench.panel(TrainController).view
    panel.start.click()
    until(lambda: bench.job_bar.discard.isVisible() or bench.desk.is_idle)
    (job,) = bench.desk.trainer.unfinished
    bench.job_bar.stop_requested.emit(job, True)
    until(lambda: bench.desk.is_idle)
    time.sleep(QApplication.doubleClickInterval() / 1000)  # a second click too soon starts nothing


def open_segment_close(bench: Workbench, number: int) -> None:
    """Show and segment an exam, and open its cohort again, which closes it."""
    assert bench.session.cohort is not None
    show(bench, number % 2)
    segment(bench)
    bench.panel(DataController).open_cohort(bench.session.cohort.root)
    until(lambda: bench.session.exam is None and bench.desk.is_idle)


def cycles(n: int, cycle: Callable[[int], None]) -> tuple[float, int]:
    """Return the growth in MiB after the first few of `n` cycles, and the new threads."""
    process, first, n_threads = psutil.Process(), 0.0, 0
    for number in range(n):
        cycle(number)
        if number == min(WARM, n) - 1:
            gc.collect()
            first, n_threads = process.memory_info().rss / MIB, threading.active_count()
    gc.collect()
    return process.memory_info().rss / MIB - first, threading.active_count() - n_threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the cycles")
    part = 10 if parser.parse_args().quick else 1
    n_starts, n_exams = 100 // part, 50 // part
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CMR_SSP_CACHE"] = f"{temporary}/cache"
        folder = Path(temporary)
        viewer, bench = window(folder, write_cohort(folder / "cohort"))
        panel = bench.panel(TrainController).view
        bench.tabs.setCurrentWidget(panel)
        panel.stage.setCurrentIndex(1)
        panel.form.set_preset("scratch/demo")
        tick_all(bench)
        panel.start.click()
        until(lambda: len(panel.curves.updates) > 5)
        bench.job_bar.keep.click()
        until(lambda: bench.desk.is_idle)
        starts = cycles(n_starts, lambda _: start_and_cancel(bench))
        exams = cycles(n_exams, lambda number: open_segment_close(bench, number))
        bench.close_down()
        viewer.close()
    for name, (grown, threads) in ((f"{n_starts} starts", starts), (f"{n_exams} exams", exams)):
        verdict(f"MiB more after {name}", grown, GROWTH_MB, at_most=True)
        verdict(f"more threads after {name}", float(threads), 0.0, at_most=True)


if __name__ == "__main__":
    main()
