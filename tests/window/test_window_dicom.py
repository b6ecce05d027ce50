"""DICOM exams in the workbench: series with reasons, and opening with options."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.errors import CohortError
from cmr_ssp.files import exam_id, open_cohort, open_stack
from cmr_ssp.files.dicom import SortOptions
from cmr_ssp.files.layouts.dicom_exams import list_series, reopen_exam
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.subjects import Role
from dicom_helpers import (
    ALONG_ROW,
    FRAMES,
    SLICES,
    at,
    image,
    localiser,
    long_axis,
    save_exam,
    siemens,
    stored,
    values,
)
from files_helpers import unchanged
from qtpy.QtCore import Qt
from window_helpers import Wait, data_view, docked, idle, open_folder

from napari_cmr_ssp.panels.data.sorting_dialog import SortingDialog
from napari_cmr_ssp.widgets.text_table import TONE_ROLE, Tone
from napari_cmr_ssp.workbench import Workbench

GOOD, TWO, UNEQUAL, GAP, SHIFTED = "e1", "e2", "e3", "e4", "e5"
TIP = Qt.ItemDataRole.ToolTipRole


def write_exams(folder: Path) -> Path:
    """Write an exam that opens without options, and four that do not."""

    def of(name: str) -> dict[str, Any]:
        return {"study_seed": name, "PatientID": f"MRN{name}77"}

    again = [
        image(k, t, series=30 + k, pixels=values(50 + k, t), **of(TWO))
        for k in range(SLICES)
        for t in range(FRAMES)
    ]
    half = [image(1, t, series=11, TriggerTime=80.0 * t, **of(UNEQUAL)) for t in range(FRAMES // 2)]
    aside = [image(1, t, series=11, position=at(1) + ALONG_ROW * 12, **of(SHIFTED)) for t in range(FRAMES)]
    save_exam(folder / GOOD, siemens(**of(GOOD)), long_axis(), localiser())
    save_exam(folder / TWO, siemens(**of(TWO)), again)
    save_exam(folder / UNEQUAL, siemens([0, 2, 3], **of(UNEQUAL)), half)
    save_exam(folder / GAP, siemens([0, 1, 3, 4], **of(GAP)))
    save_exam(folder / SHIFTED, siemens([0, 2, 3], **of(SHIFTED)), aside)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with unchanged(write_exams(tmp_path_factory.mktemp("exams"))) as folder:
        yield folder


@pytest.fixture
def bench(make_napari_viewer: Any, tmp_path: Path, folder: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(make_napari_viewer(show=True), tmp_path / "workspace")
    open_folder(bench, folder, wait)
    yield bench
    bench.close_down()


def id_of(bench: Workbench, name: str) -> str:
    """Return the id of an exam in a folder of the cohort, or of a single exam."""
    assert bench.session.cohort is not None
    root = bench.session.cohort.root
    return exam_id(root / name if root.is_dir() else root)


def row_of(bench: Workbench, name: str) -> int:
    model, wanted = data_view(bench).table.model(), id_of(bench, name)
    (row,) = [row for row in range(model.rowCount()) if model.index(row, 0).data() == wanted]
    return row


def shown(bench: Workbench) -> str | None:
    """Return the folder of the exam whose series are listed."""
    subject = data_view(bench).series.subject
    return subject.place.stem if subject is not None and subject.place is not None else None


def look_into(bench: Workbench, name: str, wait: Wait) -> None:
    """Select a row and wait until its series are listed."""
    data_view(bench).table.selectRow(row_of(bench, name))
    wait(lambda: shown(bench) == name and idle(bench))


def ask(bench: Workbench, name: str, wait: Wait) -> SortingDialog:
    """Open the dialog for sorting an exam."""
    look_into(bench, name, wait)
    assert data_view(bench).series.choose.isVisible()
    data_view(bench).series.choose.click()
    wait(lambda: idle(bench))
    (dialog,) = [each for each in bench.findChildren(SortingDialog) if each.isVisible()]
    return dialog


def choose(dialog: SortingDialog, bench: Workbench, field: str, value: str, wait: Wait) -> None:
    box = dialog.fields[field]
    assert box.isVisible()
    box.setCurrentIndex(box.findData(value))
    wait(lambda: idle(bench))


def open_exam(dialog: SortingDialog, bench: Workbench, name: str, wait: Wait) -> None:
    dialog.open_button.click()
    wanted = id_of(bench, name)
    wait(lambda: bench.session.exam is not None and bench.session.exam.subject.id == wanted and idle(bench))


def texts(table: Any) -> list[list[str]]:
    model = table.model()
    return [
        [str(model.index(row, column).data() or "") for column in range(model.columnCount())]
        for row in range(model.rowCount())
    ]


def test_other_series_are_greyed_with_their_reason(bench: Workbench, wait: Wait) -> None:
    look_into(bench, GOOD, wait)
    table = data_view(bench).series.table
    assert table.isVisible()
    model = table.model()
    found = {row[0].split(",")[0]: (n, row[2]) for n, row in enumerate(texts(table))}
    assert found["series 10 to 13"] == (0, "yes")
    for series, reason in (("series 80", "fewer than 3 parallel slices"), ("series 90", "single frame")):
        row, verdict = found[series]
        assert reason in verdict
        assert reason in model.index(row, 0).data(TIP)
        assert not model.flags(model.index(row, 0)) & Qt.ItemFlag.ItemIsSelectable
        assert model.index(row, 0).data(TONE_ROLE) == Tone.FAINT
    assert model.index(0, 0).data(TONE_ROLE) is None
    assert not data_view(bench).series.choose.isVisible(), "there is nothing to choose"


def test_refused_exams_are_listed_with_reason_and_ways_on(bench: Workbench, wait: Wait) -> None:
    assert [subject.id for subject in bench.session.subjects] == [id_of(bench, GOOD)]
    assert "4 refused" in data_view(bench).summary.text()
    first = min(bench.session.refused, key=lambda subject: subject.id)
    assert data_view(bench).series.subject == first, "the first that needs a look is shown at once"
    for name, reason, way in (
        (TWO, "2 stacks may be its short-axis cine", "choose which stack is the cine"),
        (UNEQUAL, "different numbers of frames", "resample slices in time"),
        (GAP, "gap: 1 slice(s) missing", "leave out or interpolate missing slices"),
        (SHIFTED, "shifted sideways", "Export only slices that were planned as one stack"),
    ):
        look_into(bench, name, wait)
        cell = data_view(bench).table.model().index(row_of(bench, name), 3)
        assert cell.data() == "refused"
        assert reason in cell.data(TIP)
        assert reason in data_view(bench).series.about.text()
        assert way in data_view(bench).series.about.text()
    assert not data_view(bench).series.choose.isVisible(), "no choice helps a stack that is shifted"
    data_view(bench).table.selectAll()
    assert bench.session.selected == (id_of(bench, GOOD),)


def test_one_of_two_stacks_is_chosen(bench: Workbench, wait: Wait, tmp_path: Path) -> None:
    dialog = ask(bench, TWO, wait)
    assert [row[2] for row in texts(dialog.series_table)] == ["possible", "possible"]
    assert not any(field.isVisible() for field in dialog.fields.values())
    dialog.series_table.selectRow(1)
    wait(lambda: idle(bench) and dialog.open_button.isEnabled())
    open_exam(dialog, bench, TWO, wait)
    exam = bench.session.exam
    assert exam is not None
    assert np.array_equal(exam.pixels, stored(range(50, 50 + SLICES)))
    assert "without changes" in data_view(bench).series.about.text()
    dialog = ask(bench, TWO, wait)
    assert dialog.options.series == 2, "what was chosen last is offered again"
    dialog.series_table.selectRow(0)
    wait(lambda: idle(bench) and dialog.open_button.isEnabled())
    dialog.open_button.click()
    wait(lambda: bench.session.exam is not exam and idle(bench))
    other = bench.session.exam
    assert other is not None
    assert np.array_equal(other.pixels, stored())
    banks = {slice_bank([each.subject], tmp_path / "banks").folder for each in (exam, other)}
    assert len(banks) == 2, "training would see the other stack"


def test_unequal_frames_are_resampled_once_chosen(bench: Workbench, wait: Wait) -> None:
    dialog = ask(bench, UNEQUAL, wait)
    assert not dialog.open_button.isEnabled()
    assert "different numbers of frames: 6, but 3" in dialog.verdict.text()
    assert [name for name, field in dialog.fields.items() if field.isVisible()] == ["unequal_frames"]
    rows = texts(dialog.slice_table)
    assert [row[1] for row in rows] == ["6", "3", "6", "6"]
    assert rows[0][3:] == ["0", "40", "80", "120", "160", "200"]
    assert rows[1][3:] == ["0", "80", "160", "", "", ""]
    tones = [dialog.slices.index(row, 0).data(TONE_ROLE) for row in range(4)]
    assert tones == [None, Tone.WARNING, None, None]
    choose(dialog, bench, "unequal_frames", "resample", wait)
    assert texts(dialog.slice_table)[1][1] == "3, resampled to 6"
    assert "4 slices x 6 frames" in dialog.verdict.text()
    assert "resampled in time" in dialog.verdict.text()
    open_exam(dialog, bench, UNEQUAL, wait)
    exam = bench.session.exam
    assert exam is not None
    assert np.array_equal(exam.pixels[:, [0, 2, 3]], stored()[:, [0, 2, 3]])
    assert np.array_equal(exam.pixels[::2, 1], [values(1, t).astype(np.float32) for t in range(3)])
    assert bench.place.text() == f"{id_of(bench, UNEQUAL)}: frame 0, slice 2 · frames were resampled"
    assert "frames were resampled" in data_view(bench).series.about.text()
    assert "resampled in time" in data_view(bench)._problem_text.text()
    assert bench.session.split.role(id_of(bench, UNEQUAL)) is Role.TRAIN
    assert data_view(bench).table.model().index(row_of(bench, UNEQUAL), 3).data() == "train"
    assert "3 refused" in data_view(bench).summary.text()


def test_a_missing_slice_is_filled_once_chosen(bench: Workbench, wait: Wait) -> None:
    dialog = ask(bench, GAP, wait)
    assert [row[0] for row in texts(dialog.slice_table)][2] == "missing"
    choose(dialog, bench, "missing_slice", "interpolate", wait)
    assert texts(dialog.slice_table)[2][0] == "missing: interpolated"
    open_exam(dialog, bench, GAP, wait)
    assert bench.session.exam is not None
    assert bench.session.exam.pixels.shape[1] == 5
    assert bench.place.text().endswith("· missing slices were interpolated")


def test_cancelling_opens_nothing(bench: Workbench, wait: Wait) -> None:
    shown_before = bench.session.exam  # the only one that opens without options
    dialog = ask(bench, UNEQUAL, wait)
    choose(dialog, bench, "unequal_frames", "resample", wait)
    dialog.reject()
    wait(lambda: idle(bench))
    assert [subject.id for subject in bench.session.subjects] == [id_of(bench, GOOD)]
    assert bench.session.exam is shown_before is not None


def test_an_archive_is_a_cohort_of_one(bench: Workbench, wait: Wait, folder: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "k7"), "zip", folder / UNEQUAL))
    data_view(bench).place_chosen.emit(archive)
    wait(lambda: bench.session.cohort is not None and bench.session.cohort.root == archive and idle(bench))
    assert [subject.id for subject in bench.session.refused] == [exam_id(archive)]
    dialog = ask(bench, "k7", wait)
    choose(dialog, bench, "unequal_frames", "resample", wait)
    open_exam(dialog, bench, "k7", wait)


def test_an_archive_without_dicom_is_no_cohort(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.bin").write_bytes(bytes(400))
    archive = Path(shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path / "a"))
    with pytest.raises(CohortError, match="contains no DICOM image"):
        open_cohort(archive)


def test_choices_say_what_would_help(folder: Path) -> None:
    found = {subject.frames[0].path.name: list_series(subject) for subject in open_cohort(folder).refused}
    choices = {name: [set(each.choices) for each in f.series] for name, f in found.items() if f is not None}
    assert choices == {
        TWO: [set(), set()],
        UNEQUAL: [{"unequal_frames"}],
        GAP: [{"missing_slice"}],
        SHIFTED: [set()],
    }


def test_a_subject_keeps_its_choice(folder: Path) -> None:
    gap = next(subject for subject in open_cohort(folder).refused if subject.id == exam_id(folder / GAP))
    subject, stack = reopen_exam(gap, SortOptions(missing_slice="interpolate"))
    assert len(subject.frames) == stack.n_frames == FRAMES
    assert np.array_equal(open_stack(subject).load(), stack.load())
    assert open_stack(subject).alterations == ("missing slices were interpolated",)


def test_the_first_of_two_acquisitions_is_taken_if_chosen(qtbot: Any, tmp_path: Path) -> None:
    again = (image(1, t, series=30, pixels=values(99, t)) for t in range(FRAMES))
    (subject,) = open_cohort(save_exam(tmp_path / "e9", again, siemens())).subjects
    dialog = SortingDialog(subject)
    qtbot.addWidget(dialog)
    asked: list[SortOptions] = []
    dialog.preview_requested.connect(lambda _, options: asked.append(options))

    def answer(options: SortOptions) -> None:
        folder = list_series(subject, options)
        assert folder is not None
        dialog.show_preview(options, folder)

    answer(dialog.options)
    answer(asked.pop())
    assert [name for name, field in dialog.fields.items() if not field.isHidden()] == ["repeated"]
    assert [row[2] for row in texts(dialog.slice_table)] == ["once", "2 x, last used", "once", "once"]
    before = dialog.options
    dialog.fields["repeated"].setCurrentIndex(1)
    answer(before)
    assert not dialog.open_button.isEnabled(), "the answer was to an earlier question"
    answer(asked.pop())
    assert "the first one is used" in dialog.verdict.text()
    with qtbot.waitSignal(dialog.open_requested) as opened:
        dialog.open_button.click()
    assert np.array_equal(reopen_exam(*opened.args)[1].load(), stored([0, 1, 2, 3]))
