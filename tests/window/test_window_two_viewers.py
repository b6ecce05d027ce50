"""Two viewers at once, each with a workbench: one corrects contours while the other segments."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.files import open_cine
from cmr_ssp.prediction import batches
from qtpy.QtWidgets import QApplication
from window_helpers import Wait, docked, idle, open_folder, runs_view, show, train_from_scratch

from napari_cmr_ssp.panels import CorrectController, LegendController
from napari_cmr_ssp.scene.growing import GROWING
from napari_cmr_ssp.workbench import Workbench

RUN = "scratch-1"


@pytest.fixture
def benches(
    make_napari_viewer: Any, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Workbench, Workbench]]:
    """Return two workbenches on one cohort: with the exams a and b, in workspaces of their own."""
    monkeypatch.setattr(batches, "_MOST_SLICES", 1)
    train_from_scratch(tmp_path / "second", RUN)
    shutil.copytree(tmp_path / "second" / "cohort", tmp_path / "cohort")
    both = []
    for name, exam in (("first", "a"), ("second", "b")):
        bench = docked(make_napari_viewer(show=True), tmp_path / name)
        open_folder(bench, tmp_path / "cohort", wait)
        show(bench, exam, wait)
        wait(lambda bench=bench: idle(bench))
        both.append(bench)
    yield both[0], both[1]
    for bench in both:
        bench.close_down()


def names(bench: Workbench) -> list[str]:
    return [layer.name for layer in bench.scene._viewer.layers]


def test_one_corrects_while_the_other_segments(
    benches: tuple[Workbench, Workbench], wait: Wait, tmp_path: Path
) -> None:
    first, second = benches
    correct = first.panel(CorrectController)
    correct.start("a reference")
    shown = first.scene.corrections.of(first.session.exam)
    assert shown is not None and second.scene.corrections.of(second.session.exam) is None
    before = shown.layer.data.copy()
    seen_growing = n_edits = 0
    for _ in range(2):
        runs_view(second).choose(tmp_path / "second" / "runs" / RUN)
        runs_view(second).segment_shown.click()
        while not idle(second):
            seen_growing += any(GROWING in layer.metadata for layer in second.scene._viewer.layers)
            correct.act("grow" if n_edits % 2 == 0 else "undo")
            first.scene.go_to(n_edits % 4, 1)
            n_edits += 1
            QApplication.processEvents()
        assert second.job_bar.title.text().startswith("Finished"), second.job_bar.problems.text()
    assert seen_growing, "nothing was shown while it was segmented"
    assert names(second) == ["b", "b reference", f"b by {RUN}"]
    assert names(first) == ["a", "a reference", "a contours"]
    found = second.scene._viewer.layers[f"b by {RUN}"].data
    stored = open_cine(tmp_path / "second" / "runs" / RUN / "segmentations" / "b_seg.nii.gz").load()
    assert np.array_equal(stored, found)
    while shown.contours.can_undo:
        correct.act("undo")
    assert np.array_equal(shown.layer.data, before)
    assert not first.job_bar.problems.isVisible() and first.session.exam is not second.session.exam


def test_one_closes_and_the_other_works_on(
    benches: tuple[Workbench, Workbench], wait: Wait, tmp_path: Path
) -> None:
    first, second = benches
    for bench in benches:
        view = bench.panel(LegendController).view
        assert view.parent() is bench.scene._viewer.window._qt_viewer.canvas.native
    first.panel(LegendController).view.look_chosen.emit("hidden")
    assert second.scene.structures.are_visible and not first.scene.structures.are_visible
    first.close_down()
    first.scene._viewer.close()
    assert not first.desk.trainer._thread.is_alive()
    runs_view(second).choose(tmp_path / "second" / "runs" / RUN)
    runs_view(second).segment_shown.click()
    wait(lambda: idle(second))
    assert f"b by {RUN}" in names(second)
    second.panel(CorrectController).start(f"b by {RUN}")
    assert second.scene.corrections.of(second.session.exam) is not None
