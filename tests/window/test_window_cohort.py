"""The table of a cohort in the real window: pictures, labels, scores, and the filter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, SubjectRole
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run, store_scores
from cmr_ssp.subjects import Role, Subject
from cohort_helpers import ED, write_beating_cohort
from files_helpers import save
from qtpy.QtCore import Qt
from window_helpers import Wait, data_view, docked, idle, open_folder, runs_view, show

from napari_cmr_ssp.panels import CorrectController, DataController, RunsController, SaveController
from napari_cmr_ssp.panels.data import picture_store, pictures
from napari_cmr_ssp.panels.data.showing import Showing
from napari_cmr_ssp.panels.data.subject_table import COLUMNS
from napari_cmr_ssp.workbench import Workbench

MANY = [f"s{n:02}" for n in range(60)]
TIP = Qt.ItemDataRole.ToolTipRole


@pytest.fixture
def bench(viewer: Any, tmp_path: Path) -> Iterator[Workbench]:
    """Show a small window."""
    bench = docked(viewer, tmp_path / "workspace")
    viewer.window.resize(1024, 700)
    viewer.window._qt_window.show()
    yield bench
    bench.close_down()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a cohort that does not fit on a screen; two subjects in three are labelled."""
    labelled = [name for n, name in enumerate(MANY) if n % 3]
    return write_beating_cohort(tmp_path_factory.mktemp("many") / "cohort", MANY, labelled=labelled)


class Reading:
    """What was read for pictures, and in which threads; can be held up."""

    def __init__(self, read: Callable[[Subject], Any]) -> None:
        self.ids: list[str] = []
        self.threads: set[str] = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self._read = read

    def __call__(self, subject: Subject) -> Any:
        self.ids.append(subject.id)
        self.threads.add(threading.current_thread().name)
        assert self.may_go_on.wait(30)
        return self._read(subject)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    reading = Reading(pictures.picture_or_none)
    monkeypatch.setattr(pictures, "picture_or_none", reading)
    yield reading
    reading.may_go_on.set()


def cell(bench: Workbench, subject: str, column: str) -> Any:
    """Return the cell of a subject in a column."""
    model = data_view(bench).table.model()
    (row,) = [row for row in range(model.rowCount()) if model.index(row, 0).data() == subject]
    return model.index(row, COLUMNS.index(column))


def ids(bench: Workbench) -> list[str]:
    model = data_view(bench).table.model()
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def picture(bench: Workbench, subject: str) -> np.ndarray | None:
    """Return the greys of the picture in the table; None if there is none."""
    shown = cell(bench, subject, "Subject").data(Qt.ItemDataRole.DecorationRole).toImage()
    if shown.hasAlphaChannel():
        return None
    return np.array([[shown.pixelColor(x, y).red() for x in range(0, 80, 8)] for y in range(0, 80, 8)])


def in_sight(bench: Workbench) -> list[str]:
    table = data_view(bench).table
    last = table.rowAt(table.viewport().height() - 1)
    return ids(bench)[table.rowAt(0) : last + 1 if last >= 0 else None]


def seen(bench: Workbench) -> bool:
    """Return whether every row in sight has a picture."""
    return idle(bench) and all(picture(bench, name) is not None for name in in_sight(bench))


# pictures


def test_only_rows_in_sight_are_read_also_after_quick_scrolling(
    bench: Workbench, many: Path, reading: Reading, wait: Wait, qtbot: Any
) -> None:
    open_folder(bench, many, wait)
    wait(lambda: seen(bench))
    first = in_sight(bench)
    assert 4 <= len(first) < 12 and sorted(reading.ids) == first
    bar = data_view(bench).table.verticalScrollBar()
    data_view(bench).table._pause.setInterval(1000)  # a busy machine may scroll slowly
    for value in (*range(0, bar.maximum(), 4), bar.maximum()):
        bar.setValue(value)
        qtbot.wait(2)
    data_view(bench).table._pause.setInterval(80)
    wait(lambda: seen(bench))
    assert sorted(reading.ids) == [*first, *in_sight(bench)]
    assert reading.threads == {"cmr-ssp reading"}
    bar.setValue(0)
    qtbot.wait(200)
    wait(lambda: seen(bench))
    assert len(reading.ids) == len(first) + len(in_sight(bench)), "a picture was read twice"


def test_what_leaves_the_screen_is_not_read_any_more(
    bench: Workbench, many: Path, reading: Reading, wait: Wait, qtbot: Any
) -> None:
    reading.may_go_on.clear()
    bench.panel(DataController).open_cohort(many)
    wait(lambda: reading.ids)
    bar = data_view(bench).table.verticalScrollBar()
    bar.setValue(bar.maximum())
    qtbot.wait(200)
    reading.may_go_on.set()
    wait(lambda: seen(bench))
    assert reading.ids[1:] == in_sight(bench)


def test_a_second_cohort_with_the_same_ids_gets_its_own_pictures(
    bench: Workbench, reading: Reading, tmp_path: Path, wait: Wait
) -> None:
    first = write_beating_cohort(tmp_path / "first", "abc")
    second = write_beating_cohort(tmp_path / "second", "abc", seed=50)
    open_folder(bench, first, wait)
    wait(lambda: seen(bench))
    before = {name: picture(bench, name) for name in "abc"}
    open_folder(bench, second, wait)
    wait(lambda: seen(bench))
    for name in "abc":
        assert not np.array_equal(picture(bench, name), before[name])
    reading.may_go_on.clear()
    reading.ids.clear()
    bench.session.open(open_cohort(first))
    wait(lambda: reading.ids)  # the first picture is being read
    bench.session.open(open_cohort(second))
    reading.may_go_on.set()
    wait(lambda: seen(bench))
    assert reading.ids == ["a", "a", "b", "c"], "what the closed cohort still wanted was read"
    bench.session.open(open_cohort(first))
    wait(lambda: seen(bench))
    assert all(np.array_equal(picture(bench, name), before[name]) for name in "abc")


def test_a_subject_that_cannot_be_read_has_no_picture_and_no_message(
    bench: Workbench, tmp_path: Path, wait: Wait
) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "abc")
    cohort = open_cohort(folder)
    (folder / "b.nii.gz").write_bytes((folder / "b.nii.gz").read_bytes()[:200])
    bench.session.open(cohort)
    wait(lambda: idle(bench) and picture(bench, "a") is not None and picture(bench, "c") is not None)
    wait(lambda: not data_view(bench).pictures.lacks(cohort.subject("b")))
    assert picture(bench, "b") is None
    assert not bench.job_bar.problems.text()


def test_the_pictures_in_memory_are_few(
    bench: Workbench, many: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_store, "MAX_PICTURES", 12)
    open_folder(bench, many, wait)
    bar = data_view(bench).table.verticalScrollBar()
    for value in (0, bar.maximum() // 2, bar.maximum(), 0):
        bar.setValue(value)
        wait(lambda: seen(bench))
        assert len(data_view(bench).pictures) <= 12


# labels


def labels_of(bench: Workbench, subject: str) -> tuple[str, str]:
    return cell(bench, subject, "ED").data(), cell(bench, subject, "ES").data()


def test_labels_follow_drafts_and_saved_versions_at_once(
    bench: Workbench, tmp_path: Path, wait: Wait
) -> None:
    open_folder(bench, write_beating_cohort(tmp_path / "cohort", "abc", labelled="ab"), wait)
    assert labels_of(bench, "a") == ("ref", "ref") and labels_of(bench, "c") == ("–", "–")
    show(bench, "a", wait)
    correct = bench.panel(CorrectController)
    correct.start("a reference")
    for number in ("v1", "v2"):
        correct.act("grow")
        correct.view.tick.emit()
        wait(lambda: idle(bench))
        assert labels_of(bench, "a") == ("draft", "draft")
        assert "draft of 20" in cell(bench, "a", "ES").data(TIP)
        correct.act("grow")  # not in the draft yet
        bench.panel(SaveController).save_versions(bench.session.phases)
        wait(lambda: idle(bench))
        assert labels_of(bench, "a") == (number, number)
        assert number in cell(bench, "a", "ED").data(TIP)
        correct.view.tick.emit()
        wait(lambda: idle(bench))
        assert labels_of(bench, "a") == (number, number), "what was saved became a draft"
    assert labels_of(bench, "b") == ("ref", "ref")
    bench.panel(DataController).open_cohort(tmp_path / "cohort")
    wait(lambda: idle(bench) and labels_of(bench, "a") == ("v2", "v2"))


def test_versions_of_another_cohort_with_the_same_ids_are_not_shown(
    bench: Workbench, tmp_path: Path, wait: Wait
) -> None:
    one, other = (write_beating_cohort(tmp_path / name, "ab") for name in ("one", "other"))
    for file in other.glob("*.nii.gz"):
        image = nib.load(file)
        save(file, np.asarray(image.dataobj), image.affine + np.array([[0, 0, 0, 40.0]] * 3 + [[0] * 4]))
    open_folder(bench, one, wait)
    show(bench, "a", wait)
    correct = bench.panel(CorrectController)
    correct.start("a reference")
    correct.act("grow")
    bench.panel(SaveController).save_versions({Phase.ED: ED})
    wait(lambda: idle(bench))
    assert labels_of(bench, "a")[0] == "v1"
    open_folder(bench, other, wait)
    assert labels_of(bench, "a") == ("ref", "ref")


# scores


def scored_run(bench: Workbench, name: str, *scores: Score) -> Path:
    folder = bench.preferences.runs / name
    folder.mkdir(parents=True)
    Run(folder).write_state(None)
    if scores:
        store_scores(Run(folder), scores)
    return folder


def score(subject: str, dice: float, role: SubjectRole, phase: Phase = Phase.ED) -> Score:
    return Score(subject, phase, Structure.LV, dice, role)


def test_scores_are_those_of_the_selected_run(bench: Workbench, tmp_path: Path, wait: Wait) -> None:
    good = scored_run(
        bench,
        "good",
        score("a", 0.9, SubjectRole.TEST),
        score("a", 0.7, SubjectRole.TEST, Phase.ES),
        score("b", 0.95, SubjectRole.TRAINED_ON),
        score("d", 0.6, SubjectRole.TEST),
    )
    plain = scored_run(bench, "plain")
    open_folder(bench, write_beating_cohort(tmp_path / "cohort", "abcd", labelled="abc"), wait)
    bench.panel(RunsController).refresh()
    wait(lambda: idle(bench) and len(bench.session.runs or ()) == 2)
    assert cell(bench, "a", "Dice").data() == ""
    assert "Select a run" in cell(bench, "a", "Dice").data(TIP)
    runs_view(bench).choose(good)
    wait(lambda: idle(bench))
    assert [cell(bench, name, "Dice").data() for name in "abcd"] == ["0.80", "0.95", "", ""]
    tip = cell(bench, "a", "Dice").data(TIP)
    assert "0.800 of LV at ED and ES by good" in tip and "test" in tip
    assert "trained on" in cell(bench, "b", "Dice").data(TIP)
    table = data_view(bench).table
    for order, expected in ((Qt.SortOrder.AscendingOrder, "abcd"), (Qt.SortOrder.DescendingOrder, "bacd")):
        table.sortByColumn(COLUMNS.index("Dice"), order)
        assert "".join(ids(bench)) == expected
    store_scores(Run(good), [score("c", 0.5, SubjectRole.VALIDATION)])
    bench.panel(RunsController).show_scores(runs_view(bench).selected_run)
    wait(lambda: idle(bench))
    assert cell(bench, "c", "Dice").data() == "0.50"
    runs_view(bench).choose(plain)
    wait(lambda: idle(bench))
    assert [cell(bench, name, "Dice").data() for name in "abc"] == ["", "", ""]
    assert "not scored" in cell(bench, "a", "Dice").data(TIP)


# filter


def choose(bench: Workbench, kind: Showing) -> list[str]:
    data_view(bench).filter_row.kind.setCurrentText(str(kind))
    return ids(bench)


def test_the_filter_hides_rows_and_nothing_else(bench: Workbench, many: Path, wait: Wait) -> None:
    open_folder(bench, many, wait)
    session, row = bench.session, data_view(bench).filter_row
    labelled = {name for n, name in enumerate(MANY) if n % 3}
    assert set(choose(bench, Showing.LABELLED)) == labelled
    assert set(choose(bench, Showing.NOT_LABELLED)) == set(MANY) - labelled
    assert choose(bench, Showing.TEST) == sorted(session.split.ids(Role.TEST))
    assert choose(bench, Showing.TICKED) == []
    data_view(bench).number.setValue(20)
    data_view(bench).draw.click()
    assert len(session.ticks) == 20 and ids(bench) == sorted(session.ticks)
    assert row.count.text() == "20 of 60" and row.count.isVisible()
    ticks, split = session.ticks, session.split
    row.text.setText(MANY[1])
    choose(bench, Showing.ALL)
    assert ids(bench) == [MANY[1]]
    assert session.ticks == ticks and session.split == split
    data_view(bench)._session.draw_split(25, 3)
    assert len(session.split.ids(Role.TEST)) == 10, "the split was drawn among the shown rows"
    row.text.clear()
    assert len(ids(bench)) == len(MANY) and not row.count.isVisible()
    for widget in (data_view(bench).draw, row.text, row.kind):
        assert "whole cohort" in widget.toolTip() or "hidden rows" in widget.toolTip()


def test_selected_rows_stay_selected_while_they_are_shown(bench: Workbench, many: Path, wait: Wait) -> None:
    open_folder(bench, many, wait)
    data_view(bench).table.selectRow(5)
    assert bench.session.selected == (MANY[5],)
    data_view(bench).table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert bench.session.selected == (MANY[5],)
    assert [index.data() for index in data_view(bench).table.selectionModel().selectedRows()] == [MANY[5]]
    data_view(bench).table.selectAll()
    data_view(bench).filter_row.text.setText("s1")
    assert bench.session.selected == tuple(reversed(MANY[10:20]))
    data_view(bench).filter_row.text.clear()
    assert bench.session.selected == tuple(reversed(MANY[10:20]))


def test_a_tick_keeps_the_place_in_the_table(bench: Workbench, many: Path, wait: Wait) -> None:
    open_folder(bench, many, wait)
    bar = data_view(bench).table.verticalScrollBar()
    bar.setValue(30)
    name = next(s.id for s in bench.session.subjects[30:] if bench.session.may_train(s))
    data_view(bench).table.model().setData(
        cell(bench, name, "ED"), Qt.CheckState.Checked.value, Qt.ItemDataRole.CheckStateRole
    )
    assert bench.session.ticks == {name: frozenset({Phase.ED})}
    assert bar.value() == 30


@pytest.mark.parametrize("width", [380, 900])
def test_columns_fit_the_width(bench: Workbench, many: Path, wait: Wait, width: int, qtbot: Any) -> None:
    open_folder(bench, many, wait)
    bench.session.tick_drawn(5, 0)
    table = data_view(bench).table
    window = data_view(bench).window()
    if width > 500:
        window.resize(1800, 700)
    table.setFixedWidth(width)
    wait(lambda: table.width() == width)
    qtbot.wait(50)
    shown = [name for column, name in enumerate(COLUMNS) if not table.isColumnHidden(column)]
    assert shown == (list(COLUMNS) if width > 500 else ["Subject", "Role", "ED", "ES", "Dice"])
    assert not table.horizontalScrollBar().isVisible()
    assert table.columnWidth(0) > 140
