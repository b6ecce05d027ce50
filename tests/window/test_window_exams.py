"""Layers and results stay with their exam, whatever its name and whichever exam is displayed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp import jobs
from cmr_ssp.files import exam_id, open_cine
from cmr_ssp.files.labels.marks import cine_digest, read_mark
from dicom_helpers import FRAMES, SLICES, image, save_exam, values
from qtpy.QtCore import Qt
from window_helpers import (
    Wait,
    data_view,
    docked,
    idle,
    open_folder,
    runs_view,
    segment_shown,
    show,
    train_from_scratch,
)

from napari_cmr_ssp.io.folder_reader import read_folder
from napari_cmr_ssp.io.reader import read
from napari_cmr_ssp.io.writer import write_labels
from napari_cmr_ssp.panels import DataController, RunsController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

RUN = "scratch-1"
N_FRAMES = {"first": FRAMES, "second": FRAMES + 2}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a trained run."""
    workspace = tmp_path_factory.mktemp("workspace")
    train_from_scratch(workspace, RUN)
    return workspace


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write exams of two people, one with more frames, in folders with names of people."""
    folder = tmp_path_factory.mktemp("exams")
    for number, (name, n_frames) in enumerate(N_FRAMES.items()):
        parts = (
            image(
                k,
                t,
                series=10 + k,
                study_seed=name,
                PatientID=f"MRN{name}",
                pixels=values(50 * number + k, t),
            )
            for k in range(SLICES)
            for t in range(n_frames)
        )
        save_exam(folder / name / "Doe^Jane", parts)
    return folder


@pytest.fixture
def bench(make_napari_viewer: Any, workspace: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(make_napari_viewer(), workspace)
    wait(lambda: runs_view(bench).runs.runs and idle(bench))
    runs_view(bench).choose(workspace / "runs" / RUN)
    yield bench
    bench.close_down()


@pytest.fixture
def files(workspace: Path) -> Iterator[Callable[[], list[Path]]]:
    """Delete all segmentations, and return a function that lists new ones."""
    folder = workspace / "runs" / RUN / "segmentations"
    for path in folder.glob("*"):
        path.unlink()
    return lambda: sorted(folder.glob("*"))


def names(bench: Workbench) -> list[str]:
    return [each.name for each in bench.scene._viewer.layers]


def open_alone(bench: Workbench, place: Path, wait: Wait) -> str:
    """Open a cohort of one exam, show it, and return its id."""
    open_folder(bench, place, wait)
    (subject,) = bench.session.subjects
    show(bench, subject.id, wait)
    wait(lambda: idle(bench))
    return subject.id


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_two_exams_give_two_results_and_share_no_layer(
    bench: Workbench, wait: Wait, exams: Path, files: Callable[[], list[Path]], order: tuple[str, str]
) -> None:
    one, other = order
    viewer = bench.scene._viewer
    id_one = open_alone(bench, exams / one, wait)
    drawn = segment_shown(bench, wait)
    assert drawn.name == f"{id_one} by {RUN}"
    ((file_one, bytes_one),) = [(path, path.read_bytes()) for path in files()]
    drawn.paint((0, 0, 2, 2), 3)
    edited = drawn.data.copy()
    id_other = open_alone(bench, exams / other, wait)
    assert names(bench) == [id_other], "something of the other exam is on screen"
    assert viewer.dims.nsteps[0] == N_FRAMES[other]
    assert drawn in bench.scene.layers, "closing could not ask about it"
    found = segment_shown(bench, wait)
    assert names(bench) == [id_other, f"{id_other} by {RUN}"]
    assert found.data.shape[0] == N_FRAMES[other]
    file_other = (set(files()) - {file_one}).pop()
    assert len(files()) == 2
    assert file_one.read_bytes() == bytes_one, "the result of another exam was replaced"
    for path, place in ((file_one, exams / one), (file_other, exams / other)):
        mark = read_mark(path)
        assert mark is not None
        assert mark.cine == cine_digest(open_cine(place / "Doe^Jane").load())
    open_alone(bench, exams / one, wait)
    assert names(bench) == [id_one, f"{id_one} by {RUN} (edited)"]
    assert viewer.dims.nsteps[0] == N_FRAMES[one]
    assert viewer.layers[-1] is drawn
    np.testing.assert_array_equal(drawn.data, edited)


def test_a_result_that_comes_while_another_exam_is_shown_is_kept(
    bench: Workbench,
    wait: Wait,
    exams: Path,
    files: Callable[[], list[Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, really = threading.Event(), jobs.segment_subjects

    def later(*args: Any, **kwargs: Any) -> Any:
        go_on.wait(60)
        return really(*args, **kwargs)

    monkeypatch.setattr(jobs, "segment_subjects", later)
    first = open_alone(bench, exams / "first", wait)
    runs_view(bench).segment_shown.click()
    bench.panel(DataController).open_cohort(exams / "second")
    wait(lambda: bench.session.cohort is not None and bench.session.cohort.root == exams / "second")
    (subject,) = bench.session.subjects
    bench.panel(DataController).show_exam(subject)
    wait(lambda: bench.session.exam is not None)
    go_on.set()
    wait(lambda: idle(bench) and bench.job_bar.title.text().startswith("Finished"))
    (file,) = files()
    assert names(bench) == [subject.id]
    note = bench.job_bar.note
    assert note.isVisibleTo(bench)
    assert f"Saved {file.name} in" in note.text()
    assert f"{RUN}/segmentations" in note.text()
    assert "shown when its exam is opened" in note.text()
    assert note.toolTip() == str(file.parent)
    open_alone(bench, exams / "first", wait)
    assert names(bench) == [first, f"{first} by {RUN}"]
    np.testing.assert_array_equal(bench.scene._viewer.layers[-1].data, open_cine(file).load())


def test_a_file_that_is_another_exams_by_now_is_not_shown(
    bench: Workbench, wait: Wait, exams: Path, files: Callable[[], list[Path]]
) -> None:
    first = open_alone(bench, exams / "first", wait)
    segment_shown(bench, wait)
    open_alone(bench, exams / "second", wait)
    segment_shown(bench, wait)
    mine, theirs = (result.file for result in bench.panel(RunsController).segmenting.results._results)
    mine.write_bytes(theirs.read_bytes())
    open_alone(bench, exams / "first", wait)
    assert names(bench) == [first]


# dropped files


def dropped(bench: Workbench, paths: list[Path], wait: Wait) -> None:
    """Open files as napari does when they are dropped on the canvas."""
    for path in paths:
        for data, attributes, kind in (read_folder if path.is_dir() else read)(str(path)):
            getattr(bench.scene._viewer, f"add_{kind}")(data, **attributes)
    wait(lambda: idle(bench))


def test_a_dropped_file_is_segmented(
    bench: Workbench, wait: Wait, workspace: Path, files: Callable[[], list[Path]], tmp_path: Path
) -> None:
    cine, labels = tmp_path / "x.nii.gz", tmp_path / "x_gt.nii.gz"
    cine.write_bytes((workspace / "cohort" / "a.nii.gz").read_bytes())
    dropped(bench, [cine], wait)
    assert bench.session.exam is not None
    assert bench.session.exam.subject.id == "x"
    assert names(bench) == ["x"]
    found = segment_shown(bench, wait)
    assert names(bench) == ["x", f"x by {RUN}"]
    assert [path.name for path in files()] == ["x_seg.nii.gz"]
    write_labels(str(labels), found.data, {"name": "x", "metadata": found.metadata})
    found.paint((0, 0, 5, 5), 1)
    dropped(bench, [labels], wait)
    assert names(bench)[:1] == ["x"]
    new = bench.scene._viewer.add_labels(np.zeros(found.data.shape, np.uint8), name="new")
    assert names(bench)[-2:] == ["x_gt", "new"], "dropped labels are the user's"
    assert new.metadata["sources"] == [str(cine)], "what is drawn anew could not be saved with its geometry"
    dropped(bench, [workspace / "cohort" / "b.nii.gz"], wait)
    assert bench.session.exam.subject.id == "b"
    assert names(bench) == ["b", "b reference"]


def test_a_file_that_is_open_before_the_workbench_is_its_exam(
    make_napari_viewer: Any, workspace: Path, wait: Wait, exams: Path
) -> None:
    viewer = make_napari_viewer()
    for data, attributes, _ in read_folder(str(exams / "first")):
        viewer.add_image(data, **attributes)
    bench = Workbench(viewer, Preferences("cpu", 1, workspace))
    wait(lambda: bench.session.exam is not None and idle(bench))
    assert len(viewer.layers) == 1
    assert bench.session.exam is not None
    assert bench.place.text().startswith(f"{bench.session.exam.subject.id}: frame")
    viewer.add_image(viewer.layers[0].data, metadata=dict(viewer.layers[0].metadata), name="copy")
    wait(lambda: idle(bench))
    assert [each.name for each in viewer.layers][1:] == ["copy"], (
        "a copy of the exam was taken for another one"
    )
    bench.close_down()


# keyboard


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_enter_opens_a_row_and_tab_leaves_the_table(
    bench: Workbench, wait: Wait, workspace: Path, qtbot: Any, key: Qt.Key
) -> None:
    window = bench.scene._viewer.window._qt_window
    window.show()
    qtbot.waitExposed(window)
    bench.panel(DataController).open_cohort(workspace / "cohort")
    wait(lambda: bench.session.cohort is not None and idle(bench))
    table = data_view(bench).table
    window.activateWindow()
    table.setFocus()
    table.setCurrentIndex(table.model().index(1, 4))  # a column of check boxes
    qtbot.keyClick(table, key)
    wait(lambda: bench.session.exam is not None)
    assert bench.session.exam is not None
    assert bench.session.exam.subject.id == table.model().index(1, 0).data()
    qtbot.keyClick(table, Qt.Key.Key_Tab)
    assert table.currentIndex().column() == 4, "Tab walks through the cells"
    assert not runs_view(bench).table.tabKeyNavigation()


def test_a_segmentation_is_there_again_after_a_restart(
    make_napari_viewer: Any, bench: Workbench, workspace: Path, wait: Wait, exams: Path, files: Any
) -> None:
    first = open_alone(bench, exams / "first", wait)
    labels = segment_shown(bench, wait).data.copy()
    bench.close_down()
    again = docked(make_napari_viewer(), workspace)
    wait(lambda: runs_view(again).runs.runs and idle(again))
    open_alone(again, exams / "first", wait)
    wait(lambda: names(again) == [first, f"{first} by {RUN}"])
    assert np.array_equal(again.scene._viewer.layers[-1].data, labels)
    (file,) = files()
    file.rename(file.with_name(f"{exam_id(next((exams / 'second').iterdir()))}_seg.nii.gz"))
    second = open_alone(again, exams / "second", wait)
    wait(lambda: idle(again))
    assert names(again) == [second], "a file of another exam is not shown"
    again.close_down()
