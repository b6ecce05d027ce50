"""The volume curve in the real window: what it measures, where it goes, and ED and ES."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, SubjectRole
from cmr_ssp.files import open_cohort
from cmr_ssp.phantoms import write_phantom_cohort
from cohort_helpers import write_beating_cohort
from qtpy.QtCore import Qt
from window_helpers import Wait, docked, idle, open_folder, run_of, show

from napari_cmr_ssp.panels import CorrectController, FramesController, RunsController
from napari_cmr_ssp.panels.frames.view import FramesView
from napari_cmr_ssp.workbench import Workbench

LV, MYO, RV = Structure


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a labelled and an unlabelled phantom."""
    folder = tmp_path_factory.mktemp("hearts") / "cohort"
    write_phantom_cohort(folder, 2, seed=3)
    last = open_cohort(folder).subjects[-1]
    for label in last.labels:
        label.source.path.unlink()
    return folder


@pytest.fixture
def bench(viewer: Any, cohort: Path, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(viewer, tmp_path)
    open_folder(bench, cohort, wait)
    yield bench
    bench.close_down()


def show_labelled(bench: Workbench, wait: Wait, *, labelled: bool) -> None:
    (name,) = [s.id for s in bench.session.subjects if bool(s.labels) is labelled]
    show(bench, name, wait)
    wait(lambda: idle(bench))


def view(bench: Workbench) -> FramesView:
    return bench.panel(FramesController).view


def volumes(bench: Workbench, structure: Structure) -> dict[int, float]:
    frames, ml = view(bench).curves[structure].getData()
    return {} if frames is None else {int(t): float(v) for t, v in zip(frames, ml, strict=True)}


def cavities(shape: tuple[int, ...], radii: list[int]) -> np.ndarray:
    """Return an LV of one slice whose size changes from frame to frame."""
    labels = np.zeros(shape, np.uint8)
    for frame, radius in enumerate(radii):
        labels[frame, 4, 60 : 60 + radius, 60 : 60 + radius] = LV
    return labels


def test_the_curve_shows_the_volumes_of_the_reference_and_its_phases(bench: Workbench, wait: Wait) -> None:
    show_labelled(bench, wait, labelled=True)
    exam = bench.session.exam
    (image,) = bench.scene._own.find("image")
    assert image.interpolation2d == "linear"
    reference = exam.reference_labels
    voxel_ml = np.prod(exam.stack.grid.spacing_mm) / 1000
    for structure in (LV, RV):
        expected = {t: (reference[t] == structure).sum() * voxel_ml for t in exam.phase_frames}
        assert volumes(bench, structure) == {t: pytest.approx(ml) for t, ml in expected.items()}
    phases = {phase: frame for frame, phase in exam.phase_frames.items()}
    assert bench.session.phases == phases
    assert view(bench).buttons[Phase.ES].text() == f"ES: frame {phases[Phase.ES]}"


def test_the_axis_names_whole_frames(bench: Workbench, wait: Wait) -> None:
    show_labelled(bench, wait, labelled=True)
    axis = view(bench).plot.getAxis("bottom")
    for n_frames, step in ((2, 1), (20, 1), (35, 2)):
        view(bench).show_exam(n_frames)
        ((spacing, places),) = axis.tickValues(-0.5, n_frames - 0.5, 400)
        assert spacing == step and list(places) == list(range(0, n_frames, step))


def test_an_edit_moves_the_curve(bench: Workbench, wait: Wait) -> None:
    show_labelled(bench, wait, labelled=True)
    panel = bench.panel(CorrectController)
    panel.view.start.click()
    wait(lambda: idle(bench))
    before = volumes(bench, LV)
    panel.view.outlines.choose("endo")
    panel.act("clear")
    after = volumes(bench, LV)
    assert after[bench.scene.frame] < before[bench.scene.frame]
    panel.act("undo")
    assert volumes(bench, LV) == before


def test_ed_and_es_are_found_and_the_user_s_choice_stays(bench: Workbench, wait: Wait) -> None:
    show_labelled(bench, wait, labelled=False)
    assert bench.session.phases == {}
    assert not volumes(bench, LV) and view(bench).hint.isVisibleTo(view(bench))
    panel = bench.panel(CorrectController)
    panel.view.start.click()
    shown = bench.scene.corrections.of(bench.session.exam)
    shape = bench.session.exam.pixels.shape
    shown.layer.data = cavities(shape, [30, 32, 28, 24, 20, 18, 20, 24, 26, 28, 29, 30])
    wait(lambda: idle(bench))
    assert bench.session.phases == {Phase.ED: 1, Phase.ES: 5}
    assert "frame 1 ED" in bench.place.text() or bench.scene.frame != 1
    bench.scene.go_to(4, 4)
    panel.act("set ES")
    assert bench.session.phases == {Phase.ED: 1, Phase.ES: 4} and "frame 4 ES" in bench.place.text()
    shown.layer.data = cavities(shape, [20, 22, 28, 34, 20, 18, 10, 24, 26, 28, 29, 30])
    wait(lambda: idle(bench))
    assert bench.session.phases == {Phase.ED: 1, Phase.ES: 4}
    show_labelled(bench, wait, labelled=True)
    assert bench.session.phases == {p: t for t, p in bench.session.exam.phase_frames.items()}


def test_a_click_on_the_curve_goes_to_its_frame(bench: Workbench, wait: Wait) -> None:
    show_labelled(bench, wait, labelled=True)
    slice_ = bench.scene.slice
    view(bench).frame_requested.emit(7)
    assert (bench.scene.frame, bench.scene.slice) == (7, slice_)
    assert view(bench)._now.value() == 7


def test_the_curve_is_docked_below_the_canvas_and_put_away_again(bench: Workbench, wait: Wait) -> None:
    button = bench.dock_buttons["Volume curve"]
    for _ in range(2):
        button.click()
        assert view(bench).window() is bench.window() and view(bench).parent() is not bench
        button.click()
        assert view(bench).parent() is bench and not view(bench).isVisible()
    button.click()
    bench.scene._viewer.window.remove_dock_widget(view(bench))  # as its close button does
    button.click()
    button.click()
    assert view(bench).parent() is not bench
    button.click()


def test_a_score_leads_to_its_volume_the_worst_first(bench: Workbench, wait: Wait, tmp_path: Path) -> None:
    show_labelled(bench, wait, labelled=False)
    labelled, _ = sorted(bench.session.subjects, key=lambda subject: not subject.labels)
    run = run_of(tmp_path / "run", "scratch")
    scores = [
        Score(labelled.id, phase, structure, value, SubjectRole.TEST)
        for phase, value in ((Phase.ED, 0.9), (Phase.ES, 0.4))
        for structure in Structure
    ]
    runs = bench.panel(RunsController).view
    runs.show_scores(run, scores, "run")
    assert [row[1] for row in runs.scores.rows] == ["", "ES", "ED"]
    runs.score_view.doubleClicked.emit(runs.scores.index(1, 0))
    wait(lambda: idle(bench) and bench.session.exam.subject.id == labelled.id)
    assert bench.scene.frame == bench.session.phases[Phase.ES]
    runs.score_view.doubleClicked.emit(runs.scores.index(2, 0))
    assert bench.scene.frame == bench.session.phases[Phase.ED]
    runs.score_view.doubleClicked.emit(runs.scores.index(0, 0))
    runs.score_view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert [row[1] for row in runs.scores.rows] == ["", "ED", "ES"]
    bench.session.request_volume("nobody", Phase.ED)
    assert "not in the open cohort" in bench.job_bar.problems.text()


def test_a_model_of_phantoms_is_refused_on_patients(
    viewer: Any, bench: Workbench, wait: Wait, tmp_path: Path, cohort: Path
) -> None:
    patients = tmp_path / "patients"
    write_beating_cohort(patients, ["anna"])
    segmenting = bench.panel(RunsController).segmenting
    of_phantoms = run_of(tmp_path / "run", "scratch", "phantom-001", "phantom-002")
    open_folder(bench, patients, wait)
    show(bench, "anna", wait)
    wait(lambda: idle(bench))
    segmenting.segment_shown(of_phantoms)
    assert "trained on synthetic hearts" in bench.job_bar.problems.text()
    assert not bench.desk.titles
    segmenting.segment_shown(run_of(tmp_path / "run", "scratch", "phantom-001", "p2"))
    wait(lambda: idle(bench))
    assert "trained on synthetic hearts" not in bench.job_bar.problems.text()
