"""The context menu of a run: folder, name, note and deletion; nothing that is in use is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.errors import CmrSspError
from cmr_ssp.runs import Run, claimed, list_runs
from cohort_helpers import mim, segmentation, write_beating_cohort
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog, QMessageBox
from window_helpers import (
    ENDLESS,
    Wait,
    ask,
    docked,
    idle,
    open_folder,
    runs_view,
    segment_shown,
    show,
    train,
    train_view,
)

from napari_cmr_ssp.jobs.run_folders import delete_run, rename_run
from napari_cmr_ssp.panels.runs import run_menu
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture
def bench(
    make_napari_viewer: Any, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workbench]:
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    bench = docked(make_napari_viewer(), tmp_path / "workspace")
    open_folder(bench, write_beating_cohort(tmp_path / "cohort", "abcd"), wait)
    yield bench
    bench.close_down()


def choose(bench: Workbench, run: Path, entry: str, wait: Wait) -> None:
    """Choose an entry of the context menu of a run."""
    wait(lambda: any(each.folder == run for each in bench.session.runs or ()))
    runs_view(bench).choose(run)
    next(action for action in runs_view(bench).menu.actions() if action.text() == entry).trigger()


def pretrain_and_tune(bench: Workbench, wait: Wait) -> tuple[Path, Path]:
    """Return the folders of a pretraining and of a training that started from it."""
    pretrained = train(bench, mim(), wait, pretrains=True)
    bench.session.tick_drawn(2, 0)
    train_view(bench).stage.setCurrentIndex(1)
    train_view(bench).choose_source(pretrained)
    tuned = train(bench, segmentation(), wait, pretrains=False)
    return pretrained, tuned


def answer_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: (name, True))


def test_a_renamed_run_stays_what_others_started_from(
    bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrained, tuned = pretrain_and_tune(bench, wait)
    show(bench, "a", wait)
    wait(lambda: any(each.folder == tuned for each in bench.session.runs or ()))
    runs_view(bench).choose(tuned)
    segment_shown(bench, wait)
    for run, name in ((pretrained, "hearts"), (tuned, "best")):
        answer_name(monkeypatch, name)
        choose(bench, run, "Rename ...", wait)
        wait(lambda run=run, name=name: run.with_name(name).exists() and idle(bench))
        assert not run.exists()
    wait(lambda: runs_view(bench).selected_run is not None and runs_view(bench).selected_run.name == "best")
    assert runs_view(bench).selected_run.pretrained_from == "hearts"
    assert train_view(bench).pretrained == pretrained.with_name("hearts"), "training would start from scratch"
    show(bench, "b", wait)
    show(bench, "a", wait)
    wait(lambda: "a by best" in bench.scene._viewer.layers)


def test_a_name_that_exists_is_refused_and_a_used_run_stays(
    bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ended = (train(bench, mim(), wait, pretrains=True) for _ in range(2))
    run.with_name("taken").mkdir()
    answer_name(monkeypatch, "taken")
    choose(bench, run, "Rename ...", wait)
    wait(lambda: "already exists" in bench.job_bar.problems.text())
    bench.desk.clear()
    bench.session.tick_drawn(2, 0)
    ask(bench, mim(updates=ENDLESS), pretrains=True)
    train_view(bench).stage.setCurrentIndex(1)
    train_view(bench).choose_source(run)
    ask(bench, segmentation(), pretrains=False)  # waits, and will start from the run
    answer_name(monkeypatch, "finetune-1")
    choose(bench, ended, "Rename ...", wait)
    assert "waiting training" in bench.job_bar.problems.text()
    answer_name(monkeypatch, "free")
    for entry in ("Rename ...", "Delete ..."):
        bench.desk.clear()
        choose(bench, run, entry, wait)
        assert "waiting job uses it" in bench.job_bar.problems.text()
    assert run.exists()


def test_a_note_is_kept_and_shown(bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(bench, mim(), wait, pretrains=True)
    monkeypatch.setattr(QInputDialog, "getMultiLineText", lambda *_: ("small α\nhearts", True))
    choose(bench, run, "Note ...", wait)

    def tip() -> str:
        view = runs_view(bench)
        return str(view.runs.index(0, 0).data(Qt.ItemDataRole.ToolTipRole))

    wait(lambda: tip().startswith("small α\nhearts\n"))
    assert (run / "note.txt").read_text(encoding="utf-8") == "small α\nhearts"
    monkeypatch.setattr(QInputDialog, "getMultiLineText", lambda *_: (" ", True))
    choose(bench, run, "Note ...", wait)
    wait(lambda: not (run / "note.txt").exists() and not tip().startswith("small"))


def test_deleting_asks_names_descendants_and_moves_nothing_else(
    bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrained, tuned = pretrain_and_tune(bench, wait)
    wait(lambda: len(bench.session.runs or ()) == 2)
    asked: list[str] = []
    pressed = "Cancel"

    def press(box: QMessageBox) -> int:
        asked.append(box.text())
        next(each for each in box.buttons() if each.text().replace("&", "") == pressed).click()
        return 0

    monkeypatch.setattr(run_menu.QMessageBox, "exec", press)
    choose(bench, pretrained, "Delete ...", wait)
    assert pretrained.exists() and tuned.name in asked[0]
    pressed = "Delete"
    choose(bench, pretrained, "Delete ...", wait)
    wait(lambda: [each.folder for each in bench.session.runs or ()] == [tuned])
    assert sorted(path.name for path in tuned.parent.iterdir()) == [tuned.name, "jobs.json"]


def test_open_folder_opens_it(bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(
        "napari_cmr_ssp.widgets.folders.QDesktopServices.openUrl",
        lambda url: opened.append(url.toLocalFile()) or True,
    )
    run = train(bench, mim(), wait, pretrains=True)
    choose(bench, run, "Open folder", wait)
    assert opened == [str(run)]


def test_a_run_of_another_process_and_what_is_no_run_stay(tmp_path: Path) -> None:
    run, other = Run(tmp_path / "busy"), tmp_path / "photos"
    other.mkdir()
    with claimed(run, resume=False):
        for refused in (lambda: delete_run(run.folder), lambda: rename_run(run.folder, "x")):
            with pytest.raises(CmrSspError, match="a job is working"):
                refused()
    with pytest.raises(CmrSspError, match="not a run"):
        delete_run(other)
    for name in ("../x", "", "busy"):
        with pytest.raises(CmrSspError):
            rename_run(run.folder, name)
    run.write_note("mine")
    assert list_runs(tmp_path)[0].note == "mine"
    run.require_free(resume=False)  # a note is no reason to refuse a new start
    delete_run(run.folder)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
