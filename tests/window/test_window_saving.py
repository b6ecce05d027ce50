"""Saving labels from the workbench and from napari's dialog: geometry, time, lineage and refusals."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.files import list_versions, open_cine
from cmr_ssp.runs import Run, file_digest
from cmr_ssp.subjects import Origin
from dicom_helpers import FRAME_MS, save_exam, siemens
from qtpy.QtWidgets import QFileDialog
from window_helpers import Wait, docked, idle, open_folder, runs_view, segment_shown, show, train_from_scratch

from napari_cmr_ssp.panels import SaveController
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.workbench import Workbench

NAME, RUN = "napari-cmr-ssp", "scratch-1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a cohort, a DICOM exam, and a run."""
    folder = tmp_path_factory.mktemp("trained")
    save_exam(folder / "exam", siemens())
    train_from_scratch(folder, RUN)
    return folder


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_info", said.append)
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    return said


@pytest.fixture
def bench(viewer: Any, trained: Path, wait: Wait) -> Iterator[Workbench]:
    shutil.rmtree(trained / "runs" / RUN / "segmentations", ignore_errors=True)  # of another test
    bench = docked(viewer, trained)
    wait(lambda: runs_view(bench).runs.runs and idle(bench))
    yield bench
    bench.close_down()


def open_exam(bench: Workbench, folder: Path, wait: Wait, name: str | None = None) -> Any:
    """Open a cohort, show one of its exams, and return the viewer's layers."""
    open_folder(bench, folder, wait)
    show(bench, name or bench.session.subjects[0].id, wait)
    wait(lambda: idle(bench))
    return bench.scene._viewer.layers


def choose(bench: Workbench, start: str) -> None:
    """Trigger an action of the menu."""
    bench.panel(SaveController).update_menu()
    (action,) = [
        each for each in bench.panel(SaveController).view.choices.actions() if each.text().startswith(start)
    ]
    assert action.isEnabled()
    action.trigger()


def offered(bench: Workbench) -> list[str]:
    bench.panel(SaveController).update_menu()
    return [each.text() for each in bench.panel(SaveController).view.choices.actions() if each.isEnabled()]


def segmented(bench: Workbench, trained: Path, wait: Wait) -> Any:
    runs_view(bench).choose(trained / "runs" / RUN)
    return segment_shown(bench, wait)


@pytest.mark.parametrize("name", ["corr.nii.gz", "corr.nii", "corr"])
def test_labels_of_a_dicom_exam_keep_place_and_time(
    bench: Workbench, trained: Path, wait: Wait, tmp_path: Path, said: list[str], name: str, monkeypatch: Any
) -> None:
    layers = open_exam(bench, trained / "exam", wait)
    found = segmented(bench, trained, wait)
    edits.watch(found)
    found.paint((1, 1, 2, 2), 1 + int(found.data[1, 1, 2, 2]) % 3)
    assert edits.unsaved([found]) == [found]
    layers.selection.active = found
    asked: list[str] = []

    def answer(*arguments: str) -> tuple[str, str]:
        asked.append(arguments[-1])
        return str(tmp_path / name), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    choose(bench, f"'{found.name}' as NIfTI file")
    wait(lambda: idle(bench))
    assert asked[0].startswith("NIfTI (*.nii.gz")
    path = tmp_path / ("corr.nii" if name == "corr.nii" else "corr.nii.gz")
    assert path.exists(), bench.job_bar.problems.text()
    assert said[-1] == f"Saved {path.name} in {tmp_path}."
    assert edits.unsaved([found]) == []
    written, exam = nib.load(path), open_cine(trained / "exam")
    assert written.header["pixdim"][4] == pytest.approx(FRAME_MS / 1000)
    np.testing.assert_allclose(written.affine, exam.grid.affine, atol=1e-4)
    np.testing.assert_array_equal(open_cine(path).load(), found.data)


def test_a_corrected_prediction_becomes_versions_that_descend_from_the_run(
    bench: Workbench, trained: Path, wait: Wait, said: list[str], tmp_path: Path
) -> None:
    bench.preferences = Preferences("cpu", 1, tmp_path)
    layers = open_exam(bench, trained / "cohort", wait, "a")
    found = segmented(bench, trained, wait)
    before = found.data.copy()
    for frame in (0, 2):
        found.paint((frame, 0, 5, 5), 3)
    layers.selection.active = found
    bench.job_bar.clear()
    choose(bench, "ED (frame 0) and ES (frame 2) as label versions")
    wait(lambda: idle(bench))
    assert not bench.job_bar.problems.text()
    versions, problems = list_versions(tmp_path / "labels")
    assert not problems
    checkpoint = file_digest(Run(trained / "runs" / RUN).last)
    corrected = {each.phase: each for each in versions if each.number == 1}
    assert set(corrected) == set(Phase)
    for phase, frame in ((Phase.ED, 0), (Phase.ES, 2)):
        assert corrected[phase].origin is Origin.CORRECTED
        assert corrected[phase].checkpoints == (checkpoint,)
        np.testing.assert_array_equal(open_cine(corrected[phase].path).load()[0], found.data[frame])
    (kept,) = [each for each in versions if each.number == 0 and each.phase is Phase.ED]
    np.testing.assert_array_equal(open_cine(kept.path).load()[0], before[0])
    assert "v001.nii.gz" in said[-1]


def test_one_frame_of_an_unlabelled_exam_is_kept_as_a_phase(
    bench: Workbench, trained: Path, wait: Wait, said: list[str], tmp_path: Path
) -> None:
    bench.preferences = Preferences("cpu", 1, tmp_path)
    open_exam(bench, trained / "exam", wait)
    bench.panel(SaveController).update_menu()
    assert [
        (each.text(), each.isEnabled()) for each in bench.panel(SaveController).view.choices.actions()
    ] == [("No labels layer", False)]
    found = segmented(bench, trained, wait)
    found.data[:] = 0
    bench.scene._viewer.dims.set_current_step(0, 3)
    choose(bench, "Frame 3 as ES")
    wait(lambda: idle(bench))
    assert "no voxel" in bench.job_bar.problems.text()
    bench.job_bar.clear()
    found.paint((3, 0, 2, 2), 1)
    choose(bench, "Frame 3 as ES")
    wait(lambda: idle(bench))
    (version,) = [each for each in list_versions(tmp_path / "labels")[0] if each.number]
    assert (version.phase, version.frame, version.subject) == (Phase.ES, 3, bench.session.subjects[0].id)


def test_versions_are_offered_for_the_shown_exam_alone(bench: Workbench, trained: Path, wait: Wait) -> None:
    layers = open_exam(bench, trained / "cohort", wait, "a")
    assert len(offered(bench)) == 2
    bench.scene._viewer.add_labels(np.zeros((2, 2, 4, 4), np.uint8), name="other")
    layers.selection.active = layers["other"]
    assert offered(bench) == ["'other' as NIfTI file ..."]


def test_napari_s_own_dialog_begins_with_nifti(
    bench: Workbench, trained: Path, wait: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = open_exam(bench, trained / "cohort", wait, "a")
    layers.selection.active = layers["a reference"]
    filters: list[str] = []

    def answer(*_: Any, filter: str, **__: Any) -> tuple[str, str]:  # noqa: A002 - as Qt calls it
        filters.append(filter)
        return str(tmp_path / "corr.nii.gz"), filter.split(";;")[0]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    bench.scene._viewer.window._qt_viewer._save_layers_dialog(selected=True)
    assert filters[0].split(";;")[0].endswith("(*.nii.gz *.nii)")
    np.testing.assert_array_equal(
        nib.load(tmp_path / "corr.nii.gz").affine, nib.load(trained / "cohort" / "a.nii.gz").affine
    )
