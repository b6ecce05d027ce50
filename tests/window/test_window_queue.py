"""The queue of jobs in the window: waiting jobs can be cancelled, and a double click starts one run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cohort_helpers import mim, write_beating_cohort
from qtpy.QtCore import Qt
from window_helpers import (
    ENDLESS,
    Wait,
    ask,
    docked,
    idle,
    open_folder,
    runs_view,
    show,
    train,
    train_from_scratch,
    train_view,
)

from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.panels import RunsController
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd")


@pytest.fixture
def bench(
    make_napari_viewer: Any, tmp_path: Path, folder: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workbench]:
    """Return the workbench in a visible viewer, with the cohort open."""
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    bench = docked(make_napari_viewer(show=True), tmp_path / "workspace")
    open_folder(bench, folder, wait)
    yield bench
    bench.close_down()


def waiting(bench: Workbench) -> list[str]:
    return [job.title for job in bench.job_bar.waiting.rows]


def finish(bench: Workbench, job: Job, wait: Wait) -> None:
    """Run a job until the job bar shows its end."""
    bench.desk.compute(job)
    wait(lambda: bench.job_bar.title.text() == f"Finished: {job.title}")


def start_endless(bench: Workbench, wait: Wait) -> Path:
    run = ask(bench, mim(updates=ENDLESS), pretrains=True)
    wait(lambda: (run / "last.safetensors").exists() and train_view(bench).curves.losses)
    return run


def test_waiting_jobs_are_listed_in_order_and_a_cancelled_one_never_starts(
    bench: Workbench, wait: Wait
) -> None:
    queue = bench.job_bar.waiting
    assert queue.isHidden()
    running = start_endless(bench, wait)
    assert queue.isHidden(), "the running job waits for nothing"
    first, second = (ask(bench, mim(), pretrains=True) for _ in range(2))
    assert waiting(bench) == [f"Pretrain {run.name}" for run in (first, second)]
    assert queue.isVisible() and "2 waiting" in queue.toggle.text()
    queue.toggle.click()
    assert not next(iter(queue.rows.values())).isVisible()
    queue.toggle.click()
    next(iter(queue.rows.values())).cancel.click()
    assert waiting(bench) == [f"Pretrain {second.name}"]
    assert bench.job_bar.title.text() == f"Pretrain {running.name}", "the running job is no longer shown"
    assert train_view(bench).name.text() == first.name, "the name is free again"
    bench.job_bar.keep.click()
    wait(lambda: idle(bench))
    assert bench.job_bar.title.text() == f"Finished: Pretrain {second.name}"
    assert not first.exists() and (second / "last.safetensors").exists()
    assert queue.isHidden()


def test_who_waits_for_a_cancelled_job_is_told_as_for_a_stopped_one(
    bench: Workbench, wait: Wait, tmp_path: Path
) -> None:
    train_from_scratch(tmp_path / "workspace", "tuned")
    bench.panel(RunsController).refresh()
    wait(lambda: bench.session.runs and idle(bench))
    runs_view(bench).choose(tmp_path / "workspace" / "runs" / "tuned")
    show(bench, "a", wait)
    start_endless(bench, wait)
    runs_view(bench).segment_shown.click()
    assert waiting(bench) == ["Segment a by tuned"]
    (job,) = bench.job_bar.waiting.rows
    bench.job_bar.waiting.rows[job].cancel.click()
    assert job not in bench.desk._then, "its caller still waits"
    bench.job_bar.keep.click()
    wait(lambda: idle(bench))
    assert not (tmp_path / "workspace" / "runs" / "tuned" / "segmentations").exists()


def press_twice(qtbot: Any, button: Any, how: str) -> None:
    if how == "keys":
        button.setFocus()
        qtbot.keyClick(button, Qt.Key.Key_Space)
        qtbot.keyClick(button, Qt.Key.Key_Space)
    elif how == "double click":  # a click, then the press that Qt calls a double click
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        qtbot.mouseDClick(button, Qt.MouseButton.LeftButton)
        qtbot.mouseRelease(button, Qt.MouseButton.LeftButton)
    else:
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("how", ["double click", "two clicks", "keys"])
def test_pressing_start_twice_starts_one_run(bench: Workbench, wait: Wait, qtbot: Any, how: str) -> None:
    view = train_view(bench)
    bench.tabs.setCurrentWidget(view)
    view.stage.setCurrentIndex(0)
    view.form.set_value(mim())
    queued: list[object] = []
    bench.desk.run_ended.connect(queued.append)
    press_twice(qtbot, view.start, how)
    assert len(bench.desk.titles) == 1
    wait(lambda: queued and idle(bench))
    assert len(queued) == 1
    view.start.click()  # as long as it was not the same press
    assert len(bench.desk.titles) == 1


def test_pressing_segment_twice_segments_once(
    bench: Workbench, wait: Wait, qtbot: Any, tmp_path: Path
) -> None:
    train_from_scratch(tmp_path / "workspace", "tuned")
    bench.panel(RunsController).refresh()
    wait(lambda: bench.session.runs and idle(bench))
    bench.tabs.setCurrentWidget(runs_view(bench))
    runs_view(bench).choose(tmp_path / "workspace" / "runs" / "tuned")
    show(bench, "a", wait)
    press_twice(qtbot, runs_view(bench).segment_shown, "double click")
    assert bench.desk.titles == ["Segment a by tuned"]


def test_ended_jobs_are_in_the_history_after_a_restart(
    bench: Workbench,
    make_napari_viewer: Any,
    wait: Wait,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_endless(bench, wait)
    cancelled = ask(bench, mim(), pretrains=True)
    (job,) = bench.job_bar.waiting.rows
    bench.job_bar.waiting.rows[job].cancel.click()
    wait(lambda: (tmp_path / "workspace" / "runs" / "jobs.json").exists())
    bench.close_down()  # stops the running job
    wait(lambda: not bench.desk.trainer.is_busy)
    again = docked(make_napari_viewer(show=True), tmp_path / "workspace")
    again.job_bar.history.click()
    dialog = again.job_bar.past
    wait(dialog.isVisible)
    assert [row[:2] for row in dialog.jobs.rows] == [
        ("Pretrain mim-1", "Stopped"),
        (f"Pretrain {cancelled.name}", "Cancelled"),
    ]
    opened: list[str] = []
    monkeypatch.setattr(
        "napari_cmr_ssp.widgets.folders.QDesktopServices.openUrl",
        lambda url: opened.append(url.toLocalFile()) or True,
    )
    dialog.table.selectRow(1)
    assert not dialog.opener.isEnabled(), "there is nothing to open"
    dialog.table.selectRow(0)
    dialog.opener.click()
    assert opened == [str(tmp_path / "workspace" / "runs" / "mim-1")]
    (tmp_path / "workspace" / "runs" / "mim-1").rename(tmp_path / "elsewhere")
    dialog.opener.click()
    assert "cannot be opened" in dialog.about.text() and dialog.about.isVisible()
    again.close_down()


def test_a_damaged_history_is_said_in_the_job_bar(bench: Workbench, wait: Wait, tmp_path: Path) -> None:
    file = tmp_path / "workspace" / "runs" / "jobs.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{")
    for said in (True, False):
        bench.desk.clear()
        finish(bench, Job("Work", lambda *_: None), wait)
        assert ("starts afresh" in bench.job_bar.problems.text()) is said


def test_the_end_of_a_long_training_is_announced_if_the_window_is_not_active(
    bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_info", said.append)
    is_active = False
    monkeypatch.setattr(type(bench.job_bar.window()), "isActiveWindow", lambda _: is_active)
    train(bench, mim(), wait, pretrains=True)
    assert not said, "it was short"
    monkeypatch.setattr("napari_cmr_ssp.jobs.desk.LONG_S", 0.0)
    finish(bench, Job("Segment", lambda *_: None), wait)
    assert not said, "it is no training"
    train(bench, mim(), wait, pretrains=True)
    assert said == ["Finished: Pretrain mim-2"]
    is_active = True
    train(bench, mim(), wait, pretrains=True)
    assert len(said) == 1, "the user sees the job bar"
