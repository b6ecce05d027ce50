"""Texts and choices of the window, and its folders of runs; without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem, Severity
from cmr_ssp.events import Outcome
from cmr_ssp.files import open_cohort
from cmr_ssp.jobs.notices import heart_warning
from cmr_ssp.subjects import Role
from cohort_helpers import write_beating_cohort
from fake_window import fake_context
from qtpy.QtWidgets import QFileDialog
from window_helpers import Wait, idle, run_of, runs_view

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.job import Job, JobResult
from napari_cmr_ssp.panels.data import view as data_panel
from napari_cmr_ssp.panels.data.view import DataView
from napari_cmr_ssp.panels.runs.view import RunsView
from napari_cmr_ssp.panels.train import view as train_panel
from napari_cmr_ssp.panels.train.controller import TrainController
from napari_cmr_ssp.panels.train.view import TrainView
from napari_cmr_ssp.preferences import runs_folder
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.texts import problem_html


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session()
    session.open(open_cohort(write_beating_cohort(tmp_path / "cohort", "abcdef")))
    session.set_role("abcdef", Role.TRAIN)
    return session


def test_a_pretraining_is_not_called_unscored(qapp: Any) -> None:
    panel = RunsView()
    panel.show_scores(run_of(Path("mim-1"), "mim"), (), "mim-1")
    assert "scored" not in panel.about.text() and "pretraining" in panel.about.text()
    panel.show_scores(run_of(Path("tuned"), "finetune"), (), "tuned (best)")
    assert "tuned (best)" in panel.about.text() and "not scored yet" in panel.about.text()


def test_a_warning_about_many_is_one_line() -> None:
    text = problem_html([*(heart_warning(f"s{n:02}") for n in range(40)), Problem("x", "is bad", "Mend it.")])
    assert text.count("<br>") == 1 and text.count("motion") == 1
    assert "s00, s01, s02 and 37 more" in text
    again = problem_html([Problem("x", "is odd", "Look.", Severity.WARNING)] * 5)
    assert again.count("<b>x</b>") == 1 and "more" not in again


def test_the_end_of_a_job_says_where_its_result_is(qapp: Any, tmp_path: Path) -> None:
    bar, folder = JobBar(), tmp_path / "tuned" / "segmentations"
    job = Job(
        "Segment 3 subjects", lambda *_: None, result="files in tuned/segmentations", result_folder=folder
    )
    for outcome, said in ((Outcome.FINISHED, True), (Outcome.FAILED, False)):
        bar.start(job)
        bar.end(job, JobResult(outcome))
        assert ("files in tuned/segmentations" in bar.title.text()) is said
    assert bar.title.toolTip().endswith(str(folder))


@pytest.mark.parametrize(
    ("answer", "kept"), [(None, True), (True, True), (False, False)], ids=["cancel", "add", "replace"]
)
def test_hand_ticks_are_replaced_only_where_the_user_says_so(
    qapp: Any, session: Session, monkeypatch: pytest.MonkeyPatch, answer: bool | None, kept: bool
) -> None:
    panel = DataView(session)
    asked: list[int] = []

    def ask(_: Any, n: int) -> bool | None:
        asked.append(n)
        return answer

    monkeypatch.setattr(data_panel, "ask_about_ticks", ask)
    panel.number.setValue(1)
    for seed in (0, 1):  # nothing was ticked by hand
        panel.seed.setValue(seed)
        panel.draw.click()
    assert not asked and len(session.ticks) == 1
    mine = next(subject.id for subject in session.subjects if subject.id not in session.ticks)
    session.tick(mine, Phase.ES, on=True)
    panel.draw.click()
    assert asked == [2]
    assert (session.ticks.get(mine) == frozenset({Phase.ES})) is kept


def test_the_pretraining_that_just_ended_is_offered(qapp: Any, session: Session, tmp_path: Path) -> None:
    panel = TrainController(fake_context(tmp_path, session), TrainView())
    source = panel.view.source
    first, second = (run_of(tmp_path / "runs" / name, "mim") for name in ("mim-1", "mim-2"))
    panel.set_sources((first,))
    assert source.currentData() is None, "it was there before"
    panel.release(second.folder)
    panel.set_sources((second, first))
    assert source.currentData() == str(second.folder)
    source.setCurrentIndex(0)
    source.activated.emit(0)  # from scratch, by hand
    panel.release(first.folder)
    panel.set_sources((second, first))
    assert source.currentData() is None


def test_methods_that_cannot_be_used_are_named_where_methods_are_picked(
    qapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = "someones:METHOD cannot be imported"
    problem = Problem.warning("entry point 'theirs' of cmr_ssp.methods", what, "Uninstall the package.")
    assert not (usual := TrainView()).method_problems.isVisibleTo(usual)
    monkeypatch.setattr(train_panel, "method_problems", lambda: (problem,))
    view = TrainView()
    assert view.method_problems.isVisibleTo(view) and what in view.method_problems.text()
    view.stage.setCurrentIndex(1)
    assert not view.method_problems.isVisibleTo(view)


def test_whatever_folder_of_runs_is_named_the_runs_are_found(tmp_path: Path) -> None:
    assert runs_folder(tmp_path / "new") == tmp_path / "new" / "runs"
    run = tmp_path / "work" / "runs" / "mim-1"
    run.mkdir(parents=True)
    empty = tmp_path / "empty" / "runs"
    empty.mkdir(parents=True)
    (run / "state.json").write_text("{}")
    for named in (run, run.parent, run.parent.parent):
        assert runs_folder(named) == run.parent
    assert runs_folder(empty) == empty
    other = tmp_path / "other" / "mim-1"
    other.mkdir(parents=True)
    (other / "state.json").write_text("{}")
    assert runs_folder(other.parent) == other.parent


def test_another_workspace_is_listed_at_once(
    viewer: Any, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari.settings import get_plugin_settings

    monkeypatch.setattr("napari.settings._PLUGIN_SETTINGS", {})
    run = tmp_path / "work" / "runs" / "mim-1"
    run.mkdir(parents=True)
    (run / "state.json").write_text('{"state": "finished", "problems": []}')
    settings = get_plugin_settings("napari-cmr-ssp", tmp_path / "settings")  # not those of the user
    settings.jobs.workspace = str(tmp_path / "nothing")
    bench = dock_workbench(viewer)
    wait(lambda: idle(bench))
    assert runs_view(bench).runs.runs == () and "No runs here" in runs_view(bench).about.text()
    assert str(tmp_path / "nothing") in runs_view(bench).folder.text()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(run))
    runs_view(bench).workspace.click()
    wait(lambda: [each.name for each in runs_view(bench).runs.runs] == ["mim-1"])
    get_plugin_settings("napari-cmr-ssp").jobs.workspace = str(tmp_path / "nothing")
    wait(lambda: runs_view(bench).runs.runs == ())
    bench.close_down()
