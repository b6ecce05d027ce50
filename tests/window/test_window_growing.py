"""A segmentation of the shown exam appears from the shown frame on, while it is computed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.events import FramesSegmented
from cmr_ssp.files import open_cine
from cmr_ssp.prediction import batches
from window_helpers import Wait, docked, idle, open_folder, runs_view, show, train_from_scratch

from napari_cmr_ssp.panels import CorrectController, FramesController
from napari_cmr_ssp.scene.growing import GROWING
from napari_cmr_ssp.workbench import Workbench

RUN = "scratch-1"


class Turnstile:
    """Lets the job report its new frames one by one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reported: list[tuple[int, ...]] = []
        self._passes = threading.Semaphore(0)
        patch.setattr("cmr_ssp.jobs.segmenting.FramesSegmented", self._report)

    def _report(self, frames: tuple[int, ...], labels: np.ndarray) -> FramesSegmented:
        self._passes.acquire(timeout=20)
        self.reported.append(frames)
        return FramesSegmented(frames, labels)

    def let(self, n: int) -> None:
        """Let some more reports pass."""
        self._passes.release(n)


@pytest.fixture
def turnstile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turnstile]:
    monkeypatch.setattr(batches, "_MOST_SLICES", 2)  # frames have 3 slices
    turnstile = Turnstile(monkeypatch)
    yield turnstile
    turnstile.let(100)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a cohort and a run."""
    workspace = tmp_path_factory.mktemp("workspace")
    train_from_scratch(workspace, RUN)
    return workspace


@pytest.fixture
def bench(make_napari_viewer: Any, trained: Path, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    """Return a workbench that shows frame 2, slice 1 of an exam."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    bench = docked(make_napari_viewer(), tmp_path)
    open_folder(bench, tmp_path / "cohort", wait)
    runs_view(bench).choose(tmp_path / "runs" / RUN)
    show(bench, "a", wait)
    bench.scene.go_to(2, 1)
    yield bench
    bench.close_down()


def growing(bench: Workbench) -> list[Any]:
    return [layer for layer in bench.scene._viewer.layers if GROWING in layer.metadata]


def test_the_shown_frame_comes_first_and_the_end_is_that_of_the_file(
    bench: Workbench, wait: Wait, turnstile: Turnstile, tmp_path: Path
) -> None:
    reference = bench.scene._viewer.layers["a reference"]
    runs_view(bench).segment_shown.click()
    turnstile.let(1)
    wait(lambda: growing(bench))
    assert 2 in turnstile.reported[0] and not idle(bench)
    (layer,) = growing(bench)
    assert layer.data[2, 1].any() and not layer.data[0].any()
    assert layer._slice.image.raw.any(), "the canvas shows nothing"
    assert not layer.editable and not reference.visible
    assert bench.scene.labels_to_save() is not layer
    assert layer not in bench.scene.corrections.sources(bench.session.exam)
    bench.scene.go_to(0, 1)  # scrolls while it grows
    assert not layer._slice.image.raw.any()
    layer.contour = 1
    turnstile.let(100)
    wait(lambda: idle(bench))
    assert turnstile.reported[-1] == (0,)
    assert bench.job_bar.title.text().startswith("Finished"), bench.job_bar.problems.text()
    found = bench.scene._viewer.layers[f"a by {RUN}"]
    assert found.visible and found.editable and found.contour == 1, "the look was lost"
    assert not growing(bench)
    stored = open_cine(tmp_path / "runs" / RUN / "segmentations" / "a_seg.nii.gz").load()
    assert np.array_equal(stored, found.data) and found.data[0].any()


def test_another_exam_meanwhile_and_back_again(bench: Workbench, wait: Wait, turnstile: Turnstile) -> None:
    runs_view(bench).segment_shown.click()
    turnstile.let(1)
    wait(lambda: growing(bench))
    show(bench, "b", wait)
    assert not growing(bench)
    turnstile.let(1)
    wait(lambda: len(turnstile.reported) == 2)
    show(bench, "a", wait)
    turnstile.let(1)
    wait(lambda: growing(bench))
    assert growing(bench)[0].data[2].any(), "what came before is gone"
    turnstile.let(100)
    wait(lambda: idle(bench))
    names = [layer.name for layer in bench.scene._viewer.layers]
    assert f"a by {RUN}" in names and not growing(bench)
    assert not list(bench.scene._edited), "an unfinished segmentation was stored as an edited one"


def test_stopping_removes_it_and_shows_the_reference_again(
    bench: Workbench, wait: Wait, turnstile: Turnstile
) -> None:
    reference = bench.scene._viewer.layers["a reference"]
    for _ in range(2):
        runs_view(bench).segment_shown.click()
        turnstile.let(1)
        wait(lambda: growing(bench))
        assert not reference.visible
        bench.job_bar.keep.click()
        turnstile.let(100)
        wait(lambda: idle(bench))
        turnstile._passes = threading.Semaphore(0)
        assert bench.job_bar.title.text().startswith("Stopped")
        assert not growing(bench) and reference.visible


def test_contours_that_are_corrected_stay_in_view(bench: Workbench, wait: Wait, turnstile: Turnstile) -> None:
    panel = bench.panel(CorrectController)
    panel.start("a reference")
    contours = bench.scene.corrections.of(bench.session.exam)
    assert contours is not None
    runs_view(bench).segment_shown.click()
    turnstile.let(1)
    wait(lambda: growing(bench))
    panel.act("grow")
    turnstile.let(100)
    wait(lambda: idle(bench))
    assert contours.layer.visible and bench.scene.corrections.of(bench.session.exam) is contours
    assert np.count_nonzero(contours.layer.data)


@pytest.mark.parametrize("visible", [True, False])
def test_stopping_a_second_one_leaves_the_first_as_it_was(
    bench: Workbench, wait: Wait, turnstile: Turnstile, visible: bool
) -> None:
    runs_view(bench).segment_shown.click()
    turnstile.let(100)
    wait(lambda: idle(bench))
    layer = bench.scene._viewer.layers[f"a by {RUN}"]
    labels, metadata = layer.data, dict(layer.metadata)
    layer.visible = visible
    turnstile._passes = threading.Semaphore(0)
    runs_view(bench).segment_shown.click()
    turnstile.let(1)
    wait(lambda: growing(bench))
    assert growing(bench) == [layer] and not layer.editable and layer.visible
    bench.job_bar.keep.click()
    turnstile.let(100)
    wait(lambda: idle(bench))
    assert not growing(bench)
    assert layer.data is labels and dict(layer.metadata) == metadata
    assert layer.name == f"a by {RUN}" and layer.editable and layer.visible is visible
    assert layer in bench.scene._own


@pytest.mark.parametrize("which", ["growing", "image", "everything"])
def test_a_layer_deleted_by_hand_meanwhile_disturbs_nothing(
    bench: Workbench, wait: Wait, turnstile: Turnstile, which: str
) -> None:
    layers = bench.scene._viewer.layers
    runs_view(bench).segment_shown.click()
    turnstile.let(1)
    wait(lambda: growing(bench))
    for layer in {"growing": growing(bench), "image": [layers["a"]], "everything": list(layers)}[which]:
        layers.remove(layer)
    bench.scene.go_to(1, 1)
    assert bench.scene.place is None or which == "growing"
    bench.panel(FramesController).choose_phase(Phase.ES)
    bench.panel(FramesController).view.frame_requested.emit(2)
    turnstile.let(100)
    wait(lambda: idle(bench))
    assert bench.job_bar.title.text().startswith("Finished"), bench.job_bar.problems.text()
    assert not growing(bench)
    assert f"a by {RUN}" in [layer.name for layer in layers]
    show(bench, "b", wait)
    show(bench, "a", wait)
    wait(lambda: f"a by {RUN}" in [layer.name for layer in layers])
    assert "a" in layers
