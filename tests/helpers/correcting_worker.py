"""Corrects contours in a real window until it is killed; prints the number of edited slices and the time."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

import napari
import numpy as np
from cmr_ssp.anatomy import Structure
from qtpy.QtWidgets import QApplication

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.panels import CorrectController, DataController
from napari_cmr_ssp.panels.correct.view import BY_HAND
from napari_cmr_ssp.preferences import Preferences


def main(cohort: Path, workspace: Path) -> None:
    """Edit one slice after the other."""
    viewer = napari.Viewer(show=True)
    bench = dock_workbench(viewer, Preferences("cpu", 1, workspace))

    def work_until(condition) -> None:  # type: ignore[no-untyped-def]
        while not condition():
            QApplication.processEvents()
            time.sleep(0.01)

    bench.panel(DataController).open_cohort(cohort)
    work_until(lambda: bench.session.cohort is not None and bench.desk.is_idle)
    bench.panel(DataController).show_exam(bench.session.subjects[0])
    work_until(lambda: bench.session.exam is not None and bench.desk.is_idle)
    bench.panel(CorrectController).start(BY_HAND)
    exam = bench.session.exam
    shown = bench.scene.corrections.of(exam)
    print(exam.fingerprint, *exam.pixels.shape, flush=True)
    places = itertools.product(*map(range, exam.pixels.shape[:2]))
    for number, place in enumerate(places, start=1):
        plane = np.zeros(exam.pixels.shape[2:], np.uint8)
        plane[10:20, 10:20] = Structure.LV
        shown.change({place: plane})
        print(number, time.time(), flush=True)
        until = time.monotonic() + 0.2
        work_until(lambda until=until: time.monotonic() > until)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
