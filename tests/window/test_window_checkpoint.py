"""The choice between the last and the best checkpoint in the Runs panel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.files import list_versions, open_cohort
from cmr_ssp.files.labels.marks import read_mark
from cmr_ssp.runs import Run, file_digest
from cohort_helpers import write_beating_cohort
from early_best import train_with_early_best
from qtpy.QtCore import Qt
from window_helpers import Wait, docked, idle, open_folder, runs_view, segment_shown, show

from napari_cmr_ssp.panels import SaveController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a cohort, and with runs with and without a best checkpoint."""
    folder = tmp_path_factory.mktemp("trained")
    cohort = open_cohort(write_beating_cohort(folder / "cohort", "abcd"))
    for name in ("both", "only-last"):
        run = train_with_early_best(folder / "runs" / name, cohort)
    run.best.unlink()
    return folder


@pytest.fixture
def bench(viewer: Any, trained: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(viewer, trained)
    wait(lambda: len(runs_view(bench).runs.runs) == 2 and idle(bench))
    bench.tabs.setCurrentWidget(runs_view(bench))
    open_folder(bench, trained / "cohort", wait)
    show(bench, "c", wait)
    yield bench
    bench.close_down()


def test_the_choice_is_shown_only_for_runs_with_both(bench: Workbench, trained: Path) -> None:
    view = runs_view(bench)
    assert view.checkpoint.isHidden()
    view.choose(trained / "runs" / "both")
    assert not view.checkpoint.isHidden()
    assert [view.checkpoint.itemText(n) for n in range(view.checkpoint.count())] == ["last", "best"]
    assert view.chosen_checkpoint == "last"
    assert view.checkpoint.toolTip() and view.checkpoint.focusPolicy() & Qt.FocusPolicy.TabFocus
    view.checkpoint.setCurrentText("best")
    assert view.chosen_checkpoint == "best"
    view.choose(trained / "runs" / "only-last")
    assert view.checkpoint.isHidden()
    assert view.chosen_checkpoint == "last"


def test_segmentations_and_scores_of_both_checkpoints_are_shown_side_by_side(
    bench: Workbench, trained: Path, wait: Wait
) -> None:
    view, run = runs_view(bench), Run(trained / "runs" / "both")
    view.choose(run.folder)
    layers, rows = {}, {}
    for name, path in (("last", run.last), ("best", run.best)):
        view.checkpoint.setCurrentText(name)
        layers[name] = segment_shown(bench, wait)
        rows[name] = view.scores.rows
        assert layers[name].metadata["checkpoint"] == file_digest(path)
        mark = read_mark(Path(layers[name].metadata["file"]))
        assert mark is not None and mark.checkpoint == file_digest(path)
    assert [layers[name].name for name in ("last", "best")] == ["c by both", "c by both (best)"]
    assert all(layer in bench.scene._viewer.layers for layer in layers.values())
    assert (layers["last"].data != layers["best"].data).any()
    assert rows["last"] != rows["best"]
    assert "both (best)" in view.about.text()
    view.checkpoint.setCurrentText("last")
    wait(lambda: view.scores.rows == rows["last"])
    assert "(best)" not in view.about.text()
    run.best_scores.unlink()
    view.checkpoint.setCurrentText("best")
    wait(lambda: "not scored yet" in view.about.text())
    view.score.click()
    wait(lambda: idle(bench) and len(view.scores.rows) == 1 + 2 * 4)
    assert run.best_scores.exists()


def test_a_correction_of_the_best_descends_from_it(
    bench: Workbench, trained: Path, wait: Wait, tmp_path: Path
) -> None:
    run = Run(trained / "runs" / "both")
    bench.preferences = Preferences("cpu", 1, tmp_path)
    runs_view(bench).choose(run.folder)
    runs_view(bench).checkpoint.setCurrentText("best")
    found = segment_shown(bench, wait)
    found.paint((0, 0, 5, 5), 3)
    bench.scene._viewer.layers.selection.active = found
    save = bench.panel(SaveController)
    save.update_menu()
    (action,) = [each for each in save.view.choices.actions() if "as label versions" in each.text()]
    action.trigger()
    wait(lambda: idle(bench))
    versions, problems = list_versions(tmp_path / "labels")
    assert not problems
    corrected = {each.phase: each.checkpoints for each in versions if each.number == 1}
    assert corrected[Phase.ED] == (file_digest(run.best),)
