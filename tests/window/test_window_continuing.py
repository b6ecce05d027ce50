"""Recent folders, and continuing with the last cohort, exam, tab, split and ticks after a restart."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.files import exam_id
from cmr_ssp.subjects import Role
from cohort_helpers import write_beating_cohort
from dicom_helpers import save_exam, secrets_in, siemens
from window_helpers import Wait, data_view, docked, idle, open_folder, runs_view, show, train_view

from napari_cmr_ssp.io import memory
from napari_cmr_ssp.jobs.late_writer import PAUSE_S, LateWriter
from napari_cmr_ssp.panels import DataController
from napari_cmr_ssp.panels.data.opening_row import OpeningRow
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

Start = Callable[[], Workbench]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture
def start(npe2pm: Any, make_napari_viewer: Any, workspace: Path, wait: Wait) -> Iterator[Start]:
    """Return a function that starts napari again: a new viewer and workbench with the same workspace."""
    benches: list[Workbench] = []

    def start() -> Workbench:
        for bench in benches:
            bench.close_down()
        benches.append(docked(make_napari_viewer(), workspace))
        wait(lambda: idle(benches[-1]))
        return benches[-1]

    with npe2pm.tmp_plugin(package="napari-cmr-ssp"):
        yield start
        for bench in benches:
            bench.close_down()


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return write_beating_cohort(tmp_path / "cohort", "abcdef")


def opening(bench: Workbench) -> OpeningRow:
    return data_view(bench).opening


def is_offered(bench: Workbench) -> bool:
    """Return whether the window offers to continue; its viewer is not on screen."""
    return not opening(bench).continue_button.isHidden()


def listed(bench: Workbench) -> list[str]:
    """Return the tool tips of the recent folders and files in the menu: their paths."""
    actions = opening(bench).menu.actions()
    starts = [number for number, each in enumerate(actions) if each.isSeparator()]
    return [each.toolTip() for each in actions[starts[0] + 1 :]] if starts else []


def stored(workspace: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((workspace / memory.FILE).read_text())
    return found


def click_continue(bench: Workbench, wait: Wait) -> None:
    assert is_offered(bench)
    opening(bench).continue_button.click()
    wait(lambda: bench.session.cohort is not None and idle(bench))
    assert not is_offered(bench)


# recent


def test_the_last_ten_are_listed_newest_first(start: Start, tmp_path: Path, wait: Wait) -> None:
    first = write_beating_cohort(tmp_path / "c0", "a", labelled="")
    folders = [first] + [Path(shutil.copytree(first, tmp_path / f"c{n}")) for n in range(1, 12)]
    bench = start()
    assert listed(bench) == []
    for folder in folders:
        open_folder(bench, folder, wait)
    expected = [str(folder) for folder in reversed(folders)][:10]
    assert listed(bench) == expected
    bench = start()
    assert listed(bench) == expected, "after a restart"
    actions = opening(bench).menu.actions()
    actions[-1].trigger()
    wait(lambda: bench.session.cohort is not None and idle(bench))
    assert bench.session.cohort is not None and str(bench.session.cohort.root) == expected[-1]
    assert listed(bench) == [expected[-1], *expected[:-1]]


def test_what_is_gone_or_was_refused_is_left_out(start: Start, tmp_path: Path, wait: Wait) -> None:
    kept = write_beating_cohort(tmp_path / "kept", "a", labelled="")
    gone = write_beating_cohort(tmp_path / "gone", "b", labelled="")
    bench = start()
    for folder in (kept, gone, kept):
        open_folder(bench, folder, wait)
    (tmp_path / "empty").mkdir()
    bench.panel(DataController).open_cohort(tmp_path / "empty")
    wait(lambda: idle(bench))
    assert "empty" in bench.job_bar.problems.text()
    assert listed(bench) == [str(kept), str(gone)]
    shutil.rmtree(gone)
    opening(bench).menu.aboutToShow.emit()
    wait(lambda: listed(bench) == [str(kept)])
    assert listed(start()) == [str(kept)]


def test_two_of_the_same_name_are_told_apart(start: Start, tmp_path: Path, wait: Wait) -> None:
    bench = start()
    for place in ("R&D", "other"):
        open_folder(bench, write_beating_cohort(tmp_path / place / "exam", "a", labelled=""), wait)
    texts = [each.text() for each in opening(bench).menu.actions()[-2:]]
    assert texts == ["exam in other", "exam in R&&D"]


@pytest.mark.parametrize("order", [("exam", "file"), ("file", "exam")], ids=" then ".join)
def test_dropped_exams_are_listed_and_name_only_what_was_chosen(
    start: Start, workspace: Path, tmp_path: Path, wait: Wait, order: tuple[str, str]
) -> None:
    save_exam(tmp_path / "exams" / "DOE^JANE", siemens())
    places = {
        "exam": tmp_path / "exams",
        "file": write_beating_cohort(tmp_path / "files", "a", labelled="") / "a.nii.gz",
    }
    ids = {"exam": exam_id(tmp_path / "exams" / "DOE^JANE"), "file": "a"}
    bench = start()
    for kind in order:
        bench.scene._viewer.open(str(places[kind]), plugin="napari-cmr-ssp")
        wait(lambda kind=kind: bench.session.exam and bench.session.exam.subject.id == ids[kind])
    bench = start()
    assert listed(bench) == [str(places[kind]) for kind in reversed(order)]
    text = (workspace / memory.FILE).read_text()
    assert not secrets_in(text) and "DOE" not in text
    click_continue(bench, wait)
    assert bench.session.exam is not None and bench.session.exam.subject.id == ids[order[-1]]


# coming back


def prepare(bench: Workbench, cohort: Path, wait: Wait) -> None:
    """Open a cohort, change its split, tick labels, show an exam and another tab."""
    open_folder(bench, cohort, wait)
    bench.session.set_role("abc", Role.TRAIN)
    bench.session.set_role("def", Role.TEST)
    bench.session.tick("b", Phase.ES, on=True)
    show(bench, "c", wait)
    bench.tabs.setCurrentWidget(train_view(bench))
    wait(lambda: idle(bench))


def test_one_click_brings_everything_back(start: Start, cohort: Path, wait: Wait) -> None:
    prepare(start(), cohort, wait)
    bench = start()
    assert bench.session.cohort is None, "only a click opens it"
    assert opening(bench).continue_button.text() == "Continue with cohort, c"
    assert str(cohort) in opening(bench).continue_button.toolTip()
    click_continue(bench, wait)
    assert bench.session.cohort is not None and bench.session.cohort.root == cohort
    assert bench.session.split.ids(Role.TEST) == ("d", "e", "f")
    assert bench.session.ticks == {"b": frozenset({Phase.ES})}
    assert bench.tabs.currentWidget() is train_view(bench)
    assert bench.session.exam is not None and bench.session.exam.subject.id == "c"
    assert "c" in bench.scene._viewer.layers
    assert bench.job_bar.problems.text() == ""
    again = start()
    assert opening(again).continue_button.text() == "Continue with cohort, c"


def test_a_drawn_split_keeps_its_seed(start: Start, cohort: Path, wait: Wait) -> None:
    bench = start()
    open_folder(bench, cohort, wait)
    bench.session.draw_split(50, 3)
    split = bench.session.split
    bench = start()
    assert opening(bench).continue_button.text() == "Continue with cohort"
    click_continue(bench, wait)
    assert bench.session.split == split and split.seed == 3
    assert bench.session.exam is None


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")], ids=" then ".join)
def test_the_last_of_two_exams_comes_back(
    start: Start, tmp_path: Path, wait: Wait, order: tuple[str, str]
) -> None:
    bench = start()
    for name in order:
        open_folder(bench, write_beating_cohort(tmp_path / name, name[0], labelled=""), wait)
    bench = start()
    assert opening(bench).continue_button.text() == f"Continue with {order[1]}, {order[1][0]}"
    click_continue(bench, wait)
    assert bench.session.exam is not None and bench.session.exam.subject.id == order[1][0]


def test_opening_something_else_withdraws_the_offer(
    start: Start, cohort: Path, tmp_path: Path, wait: Wait
) -> None:
    prepare(start(), cohort, wait)
    bench = start()
    open_folder(bench, write_beating_cohort(tmp_path / "new", "xy"), wait)
    assert not is_offered(bench)
    assert set(bench.session.split.roles) == {"x", "y"}


def test_a_folder_that_is_gone_is_told(start: Start, cohort: Path, wait: Wait) -> None:
    prepare(start(), cohort, wait)
    bench = start()
    cohort.rename(cohort.with_name("moved"))
    opening(bench).continue_button.click()
    wait(lambda: idle(bench))
    assert "does not exist" in bench.job_bar.problems.text()
    bench = start()
    assert not is_offered(bench)
    assert "cohort" in bench.job_bar.problems.text()
    assert "does not exist any more" in bench.job_bar.problems.text()
    cohort.with_name("moved").rename(cohort)  # such as a drive that is connected again
    click_continue(start(), wait)


def test_subjects_that_are_gone_or_new_are_told(start: Start, cohort: Path, wait: Wait) -> None:
    bench = start()
    prepare(bench, cohort, wait)
    bench.session.tick("a", Phase.ED, on=True)
    for file in [*cohort.glob("b*"), *cohort.glob("c*"), cohort / "a_ED_gt.nii.gz"]:
        file.unlink()
    shutil.copy(cohort / "d.nii.gz", cohort / "x.nii.gz")
    bench = start()
    click_continue(bench, wait)
    said = bench.job_bar.problems.text()
    assert "b, c of last time are missing" in said
    assert "c was shown last" in said
    assert "x are new" in said
    assert "2 ticked labels" in said
    assert bench.session.exam is None and bench.session.ticks == {}
    assert bench.session.split.ids(Role.TEST)[:3] == ("d", "e", "f")
    assert bench.session.split.role("x") is not None and bench.session.split.role("b") is None
    assert bench.tabs.currentWidget() is train_view(bench)


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b'{"last": {"exam": 3}}', b'{"recent": 7}', b"[" * 100_000], ids=repr
)
def test_a_damaged_file_is_told_and_replaced(
    start: Start, workspace: Path, cohort: Path, wait: Wait, content: bytes
) -> None:
    workspace.mkdir()
    (workspace / memory.FILE).write_bytes(content)
    bench = start()
    assert "cannot be read" in bench.job_bar.problems.text()
    assert memory.FILE in bench.job_bar.problems.text()
    assert not is_offered(bench) and listed(bench) == []
    open_folder(bench, cohort, wait)
    assert is_offered(start())


def test_an_unknown_tab_or_exam_does_no_harm(start: Start, workspace: Path, cohort: Path, wait: Wait) -> None:
    workspace.mkdir()
    last = {"place": str(cohort), "tab": "Of a later version", "exam": "z", "more": 1}
    (workspace / memory.FILE).write_text(json.dumps({"last": last}))
    bench = start()
    click_continue(bench, wait)
    assert bench.tabs.currentWidget() is data_view(bench)
    assert "z was shown last" in bench.job_bar.problems.text()
    assert len(bench.session.subjects) == 6


def test_another_workspace_has_another_memory(
    start: Start, workspace: Path, cohort: Path, tmp_path: Path, wait: Wait
) -> None:
    prepare(start(), cohort, wait)
    bench = start()
    assert is_offered(bench)
    bench._preferences.choose_workspace(tmp_path / "another")
    wait(lambda: idle(bench))
    assert not is_offered(bench) and listed(bench) == []
    bench._preferences.choose_workspace(workspace)
    wait(lambda: idle(bench))
    assert is_offered(bench) and listed(bench) == [str(cohort)]


# when and where it is written


def test_it_is_written_in_another_thread_after_a_pause(
    start: Start, workspace: Path, cohort: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[tuple[str, threading.Thread]] = []
    really = memory.write_text

    def write_text(path: Path, text: str) -> None:
        really(path, text)
        writes.append((text, threading.current_thread()))

    monkeypatch.setattr(memory, "write_text", write_text)
    bench = start()
    open_folder(bench, cohort, wait)
    wait(lambda: writes)
    n_before = len(writes)
    for phase in Phase:
        for subject in bench.session.split.ids(Role.TRAIN):
            bench.session.tick(subject, phase, on=True)
    ticks = bench.session.ticks
    wait(lambda: set(stored(workspace)["last"]["ticks"]) == set(ticks))
    assert len(writes) == n_before + 1, "a burst of changes is one write"
    assert all(thread is not threading.main_thread() for _, thread in writes)
    assert not [each for each in workspace.iterdir() if each.suffix == ".tmp"]


def test_a_workspace_that_cannot_be_written_disturbs_nobody(
    start: Start, workspace: Path, cohort: Path, wait: Wait
) -> None:
    workspace.write_text("a file")
    bench = start()
    prepare(bench, cohort, wait)
    assert bench.job_bar.problems.text() == ""
    assert not is_offered(start())


def test_two_windows_keep_what_the_other_has_opened(workspace: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        memory.remember(workspace, (tmp_path / name,), memory.LastState(place=tmp_path / name))
    memory.remember(workspace, (tmp_path / "a",), None)
    found = memory.recall(workspace)
    assert found.recent == (tmp_path / "a", tmp_path / "b")
    assert found.last is not None and found.last.place == tmp_path / "b"


def test_the_last_write_is_made_at_the_end() -> None:
    written: list[int] = []
    writer = LateWriter(pause_s=60)
    for number in range(3):
        writer.put(lambda number=number: written.append(number))
    writer.close(10)
    assert written == [2]
    writer.put(lambda: written.append(9))
    assert written == [2] and PAUSE_S < 1


# the dock


def test_closing_and_opening_the_dock_keeps_everything(
    npe2pm: Any, make_napari_viewer: Any, workspace: Path, cohort: Path, wait: Wait
) -> None:
    from napari_cmr_ssp.dock import dock_workbench

    with npe2pm.tmp_plugin(package="napari-cmr-ssp"):
        viewer = make_napari_viewer(show=True)
        bench = dock_workbench(viewer, Preferences("cpu", 1, workspace))
        prepare(bench, cohort, wait)
        bench.tabs.setCurrentWidget(runs_view(bench))
        exam, split, ticks = bench.session.exam, bench.session.split, bench.session.ticks
        (wrapped,) = [
            dock for name, dock in viewer.window._wrapped_dock_widgets.items() if "workbench" in name
        ]
        wrapped.title.close_button.click()
        wait(lambda: not bench.isVisible())
        assert dock_workbench(viewer) is bench
        wait(bench.isVisible)
        assert (bench.session.exam, bench.session.split, bench.session.ticks) == (exam, split, ticks)
        assert exam is not None and ticks
        assert bench.tabs.currentWidget() is runs_view(bench)
        assert not is_offered(bench)
        assert listed(bench) == [str(cohort)]
        bench.close_down()
