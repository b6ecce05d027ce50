"""How long the table of a large cohort takes to filter, sort and scroll, in the real window.

A cohort of copies of a few synthetic subjects is opened in the window at 1024 x 700. Each step is timed with
the painting that follows it: a letter typed into the filter, the filter cleared, a choice of the kind of
subjects, a column sorted, and a page scrolled; then how soon the pictures of the last page are there. Times
are processor time of the GUI thread, so that other programs count little. Needs a display (``xvfb-run``).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import napari
import numpy as np
from cmr_ssp.phantoms import write_phantom_cohort
from common import verdict
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from window_stalls import until

from napari_cmr_ssp.panels import DataController
from napari_cmr_ssp.panels.data.view import DataView
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

TARGET_MS = 50.0
WORDS = ("subject-09", "dcm", "philips", "test", "siem")
WINDOW = (1024, 700)
PAGES = 40


def timed(step: Callable[[], object]) -> float:
    """Return how many ms the GUI thread works for a step, with painting."""
    start = time.thread_time()
    step()
    QApplication.processEvents()
    return 1000 * (time.thread_time() - start)


def filtering(view: DataView) -> tuple[list[float], list[float], list[float]]:
    """Return the ms of every letter, of clearing, and of choosing a kind of subjects."""
    row = view.filter_row
    letters, cleared = [], []
    for word in WORDS:
        letters += [timed(lambda key=key: QTest.keyClick(row.text, key)) for key in word]
        cleared.append(timed(row.text.clear))
    kinds = [*range(row.kind.count()), 0]
    return letters, cleared, [timed(lambda kind=kind: row.kind.setCurrentIndex(kind)) for kind in kinds]


def sorting(view: DataView) -> list[float]:
    """Return the ms of sorting by every column in both directions."""
    orders = (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder)
    columns = range(view.table.model().columnCount())
    return [timed(lambda c=c, o=o: view.table.sortByColumn(c, o)) for c in columns for o in orders]


def scrolling(view: DataView, bench: Workbench) -> tuple[list[float], float]:
    """Return the ms of every page, scrolled fast, and the s until the pictures of the last one are there."""
    bar = view.table.verticalScrollBar()
    pages = np.linspace(0, bar.maximum(), PAGES).astype(int)
    took = [timed(lambda page=page: bar.setValue(int(page))) for page in pages]
    n_before, start = len(view.pictures), time.perf_counter()
    until(lambda: len(view.pictures) > n_before and bench.desk.is_idle)
    return took, time.perf_counter() - start


def report(name: str, ms: list[float]) -> float:
    """Print the median and the longest, and return the longest."""
    print(f"{name}: ms {np.median(ms):.1f} at the median, {max(ms):.1f} at most of {len(ms)}", flush=True)
    return max(ms)


def open_copies(bench: Workbench, folder: Path, n: int) -> None:
    """Open a cohort of `n` copies of the subjects in a folder."""
    bench.panel(DataController).open_cohort(folder)
    until(lambda: bench.session.cohort is not None and bench.desk.is_idle)
    cohort = bench.session.cohort
    assert cohort is not None
    vendors, groups = ("Siemens", "Philips", "GE"), ("NOR", "DCM", "HCM", "MINF")
    one = cohort.subjects
    copies = tuple(
        replace(one[k % len(one)], id=f"subject-{k:04}", vendor=vendors[k % 3], group=groups[k % 4])
        for k in range(n)
    )
    bench.session.open(replace(cohort, subjects=copies))
    bench.session.tick_drawn(n // 10, 0)
    until(lambda: bench.desk.is_idle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_phantom_cohort(folder / "cohort", 4, seed=1)
        viewer = napari.Viewer()
        bench = Workbench(viewer, Preferences("cpu", 1, folder))
        viewer.window.add_dock_widget(bench)
        viewer.window.resize(*WINDOW)
        open_copies(bench, folder / "cohort", chosen.rows)
        view = bench.panel(DataController).view
        print(f"{chosen.rows} rows, table {view.table.width()} px wide, {view.table.height()} px high")
        letters, cleared, kinds = filtering(view)
        typing = report("a letter typed", letters)
        report("filter cleared", cleared)
        report("kind chosen", kinds)
        order = report("sorted by a column", sorting(view))
        pages, seconds = scrolling(view, bench)
        page = report("scrolled", pages)
        print(f"pictures of the page where it stopped after {seconds:.2f} s; {len(view.pictures)} were read")
        bench.close_down()
        viewer.close()
    for name, most in (("ms for a letter", typing), ("ms for sorting", order), ("ms for a page", page)):
        verdict(name, most, TARGET_MS, at_most=True)


if __name__ == "__main__":
    main()
