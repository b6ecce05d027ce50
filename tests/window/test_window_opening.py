"""What is shown when a single exam or a cohort is opened, from the menu or dropped on the canvas."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import cohort_helpers
import pytest
from cmr_ssp.files import exam_id
from cmr_ssp.subjects import Role
from cohort_helpers import FRAMES, SLICES, write_beating_cohort
from dicom_helpers import save_exam, siemens
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog
from window_helpers import Wait, data_view, docked, idle, open_folder

from napari_cmr_ssp.workbench import Workbench

N_LARGE, STEP_MS = 1000, 50


@pytest.fixture
def bench(viewer: Any, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(viewer, tmp_path / "workspace")
    wait(lambda: idle(bench))
    yield bench
    bench.close_down()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write one exam of each kind that can be opened."""
    folder = tmp_path_factory.mktemp("exams")
    exam = save_exam(folder / "exam", siemens(study_seed="one", PatientID="MRN1"))
    other = save_exam(folder / "other" / "unzipped", siemens(study_seed="two", PatientID="MRN2"))
    cine = write_beating_cohort(folder / "alone", "a", labelled="") / "a.nii.gz"
    return {
        "folder": exam,
        "zip": Path(shutil.make_archive(str(folder / "exam"), "zip", other)),
        "file": cine,
        "NIfTI folder": write_beating_cohort(folder / "folder", "b", labelled=""),
    }


IDS = {
    "folder": lambda place: exam_id(place),
    "zip": lambda place: exam_id(place),
    "file": lambda _: "a",
    "NIfTI folder": lambda _: "b",
}


def open_from_menu(bench: Workbench, place: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose a place in the menu of *Open ...* and in its dialog."""
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(place), ""))
    start = "Folder" if place.is_dir() else "Zip" if place.suffix == ".zip" else "NIfTI"
    opening = data_view(bench).opening
    assert opening.open_button.menu() is opening.menu
    (action,) = [each for each in opening.menu.actions() if each.text().replace("&", "").startswith(start)]
    assert action.toolTip()
    action.trigger()
    wait(lambda: bench.session.cohort is not None and bench.session.cohort.root == place and idle(bench))


def roles(bench: Workbench) -> list[str]:
    model = data_view(bench).table.model()
    return [model.index(row, 3).data() for row in range(model.rowCount())]


def assert_shown(bench: Workbench, subject: str, frame: int, n_slices: int) -> None:
    assert bench.session.exam is not None
    assert bench.session.exam.subject.id == subject
    assert [each.name for each in bench.scene._viewer.layers if each._type_string == "image"] == [subject]
    assert (bench.scene.frame, bench.scene.slice) == (frame, n_slices // 2)


ORDERS = [("folder", "file"), ("file", "folder"), ("zip", "NIfTI folder"), ("NIfTI folder", "zip")]


@pytest.mark.parametrize("order", ORDERS, ids=" then ".join)
def test_a_single_exam_is_shown_at_once(
    bench: Workbench,
    places: dict[str, Path],
    wait: Wait,
    monkeypatch: pytest.MonkeyPatch,
    order: tuple[str, str],
) -> None:
    for kind in order:
        open_from_menu(bench, places[kind], wait, monkeypatch)
        exam = bench.session.exam
        assert exam is not None
        assert_shown(bench, IDS[kind](places[kind]), 0, exam.pixels.shape[1])
        assert roles(bench) == [""], "a clinical exam has no role"
        assert bench.session.role(exam.subject.id) is None
        said = data_view(bench).summary.text() + data_view(bench).ticked.text()
        assert "1 exam, not labelled" in said
        assert "train" not in said.lower() and "test" not in said.lower()


@pytest.mark.parametrize("order", [("folder", "zip"), ("zip", "file"), ("file", "folder")], ids=" then ".join)
def test_a_dropped_exam_is_shown_at_once(
    bench: Workbench, places: dict[str, Path], wait: Wait, order: tuple[str, str]
) -> None:
    for kind in order:
        bench.scene._viewer.open(str(places[kind]), plugin="napari-cmr-ssp")
        wait(lambda kind=kind: bench.session.exam is not None and idle(bench))
        exam = bench.session.exam
        assert exam is not None
        assert_shown(bench, IDS[kind](places[kind]), 0, exam.pixels.shape[1])


def test_a_labelled_exam_starts_at_end_diastole_and_has_a_role(
    bench: Workbench, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort_helpers, "ED", 1)
    monkeypatch.setattr(cohort_helpers, "ES", FRAMES - 1)
    open_folder(bench, write_beating_cohort(tmp_path / "labelled", "a"), wait)
    assert_shown(bench, "a", 1, SLICES)
    assert roles(bench) == ["train"]
    assert "1 exam, labelled" in data_view(bench).summary.text()


def test_a_file_of_a_cohort_keeps_its_id_and_labels(bench: Workbench, tmp_path: Path, wait: Wait) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "abc")
    open_folder(bench, folder / "b.nii.gz", wait)
    assert_shown(bench, "b", cohort_helpers.ED, SLICES)
    assert "b reference" in bench.scene._viewer.layers
    open_folder(bench, folder, wait)
    assert bench.session.exam is None, "several subjects: the user chooses"
    assert len(bench.scene._viewer.layers) == 0
    assert set(roles(bench)) <= {"train", "test"} and "" not in roles(bench)
    assert "3 subjects, 3 labelled" in data_view(bench).summary.text()


@pytest.mark.parametrize(
    ("name", "reason"), [("a_ED_gt.nii.gz", "contains labels"), ("gone.nii.gz", "does not exist")]
)
def test_what_is_no_cine_is_refused_in_words(
    bench: Workbench, tmp_path: Path, wait: Wait, name: str, reason: str
) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "a")
    data_view(bench).place_chosen.emit(folder / name)
    wait(lambda: idle(bench))
    assert bench.session.cohort is None
    assert reason in bench.job_bar.problems.text()


def test_two_exams_opened_at_once_end_with_the_second(
    bench: Workbench, places: dict[str, Path], wait: Wait
) -> None:
    for first, second in (("folder", "file"), ("file", "folder")):
        for kind in (first, second):
            data_view(bench).place_chosen.emit(places[kind])
        wait(lambda: idle(bench))
        assert bench.session.cohort is not None and bench.session.cohort.root == places[second]
        exam = bench.session.exam
        assert exam is not None
        assert_shown(bench, IDS[second](places[second]), 0, exam.pixels.shape[1])


# a large cohort


@pytest.fixture
def large(bench: Workbench, tmp_path: Path, wait: Wait) -> Workbench:
    """Open a cohort of a thousand labelled subjects."""
    folder = write_beating_cohort(tmp_path / "large", "a")
    open_folder(bench, folder, wait)
    assert bench.session.cohort is not None
    (one,) = bench.session.subjects
    subjects = tuple(
        replace(one, id=f"subject-{n:04}", vendor="ABC"[n % 3], group=("NOR", "DCM")[n % 2])
        for n in range(N_LARGE)
    )
    bench.session.open(replace(bench.session.cohort, subjects=subjects))
    return bench


def test_the_table_of_a_large_cohort_is_fast(large: Workbench, qtbot: Any) -> None:
    window = large.scene._viewer.window._qt_window
    window.show()
    qtbot.waitExposed(window)
    view = data_view(large)
    model, text = view.table.model(), view.filter_row.text
    assert model.rowCount() == N_LARGE
    qtbot.wait(300)  # the window is painted
    text.setFocus()
    took: dict[str, float] = {}

    def time_it(name: str, step: Callable[[], object]) -> None:
        start = time.thread_time()  # other processes share the machine
        step()
        QApplication.processEvents()  # with painting
        took[name] = 1000 * (time.thread_time() - start)

    for word, n_left in (("subject-029", 10), ("dcm", N_LARGE // 2), ("test", N_LARGE // 4)):
        for n, key in enumerate(word):
            time_it(f"letter {n} of {word}", lambda key=key: qtbot.keyClick(text, key))
        assert model.rowCount() == n_left
        time_it(f"without {word}", text.clear)
    for column, order in product(range(model.columnCount()), Qt.SortOrder):
        time_it(f"column {column}, {order}", lambda c=column, o=order: view.table.sortByColumn(c, o))
    assert len(large.session.split.ids(Role.TEST)) == N_LARGE // 4
    assert max(took.values()) < STEP_MS, took
