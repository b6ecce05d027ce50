"""Drafts when one leaves, and the look of contours, in the real window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Gate
from typing import Any

import numpy as np
import pytest
from cmr_ssp.editing.drafts import draft_path, read_draft
from cmr_ssp.phantoms import write_phantom_cohort
from correcting_helpers import begin, contours_of, panel, show_subject
from window_helpers import Wait, idle, open_folder

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.panels import DataController
from napari_cmr_ssp.panels.correct import drafts
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hearts") / "cohort"
    write_phantom_cohort(folder, 2, seed=3)
    return folder


@pytest.fixture
def bench(viewer: Any, cohort: Path, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    bench = dock_workbench(viewer, Preferences("cpu", 1, tmp_path))
    open_folder(bench, cohort, wait)
    show_subject(bench, 0, wait)
    bench.session.tab = "Correct"
    yield bench
    bench.close_down()


def grow(bench: Workbench) -> np.ndarray:
    """Change the contours and return them."""
    panel(bench).view.outlines.choose("endo")
    panel(bench).act("grow")
    shown = contours_of(bench)
    assert shown is not None
    return shown.contours.labels.copy()


def drafted(bench: Workbench, tmp_path: Path, exam: Any) -> np.ndarray:
    draft = read_draft(tmp_path / "drafts", exam.fingerprint, exam.pixels.shape)
    assert draft is not None
    return draft.labels


def close(bench: Workbench, _: Any) -> None:
    bench.close_down()


def close_window(_: Workbench, viewer: Any) -> None:
    viewer.close()


@pytest.mark.parametrize("leave", [close, close_window])
def test_the_last_edits_are_drafted_when_the_window_closes(
    bench: Workbench, viewer: Any, tmp_path: Path, leave: Callable[..., None]
) -> None:
    begin(bench)
    labels, exam = grow(bench), bench.session.exam
    leave(bench, viewer)
    assert np.array_equal(drafted(bench, tmp_path, exam), labels)


def test_a_draft_that_waits_for_the_reader_is_written_when_the_window_closes(
    bench: Workbench, tmp_path: Path
) -> None:
    begin(bench)
    gate = Gate()
    grow(bench)
    bench.desk.read(Job("Read something slow", lambda *_: gate.wait(1)))
    panel(bench).view.tick.emit()  # this draft waits, and is not the last one
    labels, exam = grow(bench), bench.session.exam
    bench.close_down()
    gate.set()
    assert np.array_equal(drafted(bench, tmp_path, exam), labels)


def test_a_draft_that_is_being_written_is_waited_for(
    bench: Workbench, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(bench)
    began, really = Gate(), drafts.write_draft

    def slowly(*arguments: Any) -> None:
        began.set()
        time.sleep(0.5)
        really(*arguments)

    monkeypatch.setattr(drafts, "write_draft", slowly)
    labels, exam = grow(bench), bench.session.exam
    panel(bench).view.tick.emit()
    wait(began.is_set)
    panel(bench).drafts.flush()
    assert np.array_equal(drafted(bench, tmp_path, exam), labels)


def test_closing_the_dock_and_another_tab_write_a_draft(
    bench: Workbench, viewer: Any, tmp_path: Path, wait: Wait
) -> None:
    viewer.window._qt_window.show()
    begin(bench)
    labels, exam = grow(bench), bench.session.exam
    bench.session.tab = "Runs"
    wait(lambda: idle(bench))
    assert np.array_equal(drafted(bench, tmp_path, exam), labels)
    bench.session.tab = "Correct"
    labels = grow(bench)
    viewer.window.remove_dock_widget("all")
    wait(lambda: idle(bench))
    assert np.array_equal(drafted(bench, tmp_path, exam), labels)


def test_another_exam_or_cohort_writes_a_draft_at_once(
    bench: Workbench, tmp_path: Path, wait: Wait, cohort: Path
) -> None:
    begin(bench)
    first, exam = grow(bench), bench.session.exam
    show_subject(bench, 1, wait)
    assert np.array_equal(drafted(bench, tmp_path, exam), first)
    begin(bench)
    second, other = grow(bench), bench.session.exam
    bench.panel(DataController).open_cohort(cohort)
    wait(lambda: bench.session.exam is None and idle(bench))
    assert np.array_equal(drafted(bench, tmp_path, other), second)


def test_an_earlier_draft_is_kept_as_a_copy_only_once(bench: Workbench, tmp_path: Path, wait: Wait) -> None:
    path = draft_path(tmp_path / "drafts", bench.session.exam.fingerprint)
    path.parent.mkdir()
    path.write_bytes(b"earlier")
    begin(bench)
    for _ in range(3):
        grow(bench)
        panel(bench).view.tick.emit()
    wait(lambda: idle(bench))
    bench.close_down()
    (copy,) = [each for each in path.parent.iterdir() if each != path]
    assert copy.read_bytes() == b"earlier"


def test_contours_that_were_removed_by_hand_can_be_continued(bench: Workbench, wait: Wait) -> None:
    begin(bench)
    labels = grow(bench)
    bench.scene._viewer.layers.remove(contours_of(bench).layer)
    wait(lambda: panel(bench).view.offers_draft)
    panel(bench).view.draft.click()
    wait(lambda: contours_of(bench) is not None)
    assert np.array_equal(contours_of(bench).contours.labels, labels)


def test_new_contours_have_the_chosen_look(bench: Workbench, wait: Wait) -> None:
    view = panel(bench).view
    view.look.setCurrentText("outline")
    first = begin(bench)
    assert first.layer.contour == 1 and first.layer.visible
    panel(bench).view.press("hide")
    assert not first.layer.visible
    show_subject(bench, 1, wait)
    second = begin(bench)
    assert not second.layer.visible
    panel(bench).view.press("hide")
    assert second.layer.visible and second.layer.contour == 1, "H lost the look"
    show_subject(bench, 0, wait)
    assert contours_of(bench) is first and first.layer.visible
