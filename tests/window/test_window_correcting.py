"""Correcting contours in the real window: tools with the mouse, actions, states, drafts and saving."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.editing.drafts import draft_path, read_draft
from cmr_ssp.editing.outlines import Outline, region_of
from cmr_ssp.editing.states import ContourState
from cmr_ssp.files import list_versions
from cmr_ssp.phantoms import write_phantom_cohort
from cmr_ssp.subjects import Origin
from correcting_helpers import begin, contours_of, panel, place, show_subject
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from qtpy.QtWidgets import QLabel
from vispy.app.canvas import MouseEvent
from window_helpers import Wait, docked, idle, open_folder

from napari_cmr_ssp.panels import SaveController
from napari_cmr_ssp.panels.correct.view import BY_HAND
from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.workbench import RESEARCH_ONLY, Workbench

LV, MYO, RV = Structure


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hearts") / "cohort"
    write_phantom_cohort(folder, 2, seed=3)
    return folder


@pytest.fixture
def bench(viewer: Any, cohort: Path, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(viewer, tmp_path)
    open_folder(bench, cohort, wait)
    show_subject(bench, 0, wait)
    yield bench
    bench.close_down()


def drag(shown: ContourLayer, frame: int, slice_: int, *points: tuple[float, float]) -> None:
    """Press the left button at the first point (row, column), move over the others and release."""

    def event(kind: str, point: tuple[float, float]) -> Any:
        made = MouseEvent(kind, button=1, modifiers=())
        made.position = shown.layer.data_to_world((frame, slice_, *point))
        made.dims_displayed, made.dims_point = [2, 3], made.position
        made.view_direction, made.up_direction = None, None
        return ReadOnlyWrapper(made, exceptions=("handled",))

    mouse_press_callbacks(shown.layer, event("mouse_press", points[0]))
    for point in points[1:]:
        mouse_move_callbacks(shown.layer, event("mouse_move", point))
    mouse_release_callbacks(shown.layer, event("mouse_release", points[-1]))


def right_edge(shown: ContourLayer, where: tuple[int, int], outline: Outline) -> tuple[float, float]:
    """Return the rightmost pixel inside an outline."""
    rows, columns = np.nonzero(region_of(shown.contours.plane(where), outline))
    return float(rows[columns.argmax()]), float(columns.max())


def test_correcting_starts_from_a_copy(bench: Workbench) -> None:
    reference = bench.session.exam.reference_labels
    shown = begin(bench)
    assert np.array_equal(shown.contours.labels, reference)
    assert shown.layer.data is shown.contours.labels
    assert bench.scene._viewer.layers.selection.active is shown.layer
    assert "1.000" in panel(bench).view.scores.text()
    shown.change({place(bench): np.zeros_like(shown.contours.plane(place(bench)))})
    (layer,) = bench.scene.corrections.sources(bench.session.exam)
    assert np.array_equal(layer.data, reference)


def test_pushing_bulges_the_contour_in_one_step_and_updates_the_dice(bench: Workbench) -> None:
    shown, where = begin(bench), place(bench)
    panel(bench).view.tools.choose("push")
    before = shown.contours.plane(where)
    row, column = right_edge(shown, where, Outline.EPI)
    drag(shown, *where, (row, column - 1), (row, column + 2), (row, column + 4))
    after = shown.contours.plane(where)
    assert region_of(after, Outline.EPI).sum() > region_of(before, Outline.EPI).sum()
    assert np.array_equal(after == LV, before == LV)
    assert "MYO 1.000" not in panel(bench).view.scores.text().split("ES")[0]
    panel(bench).act("undo")
    assert np.array_equal(shown.contours.plane(where), before)
    assert not shown.contours.can_undo
    assert "MYO 1.000" in panel(bench).view.scores.text().split("ES")[0]


@pytest.mark.parametrize("tool", ["push", "draw", "brush"])
def test_look_moves_the_image_again_after_another_tool(bench: Workbench, tool: str) -> None:
    layer, view = begin(bench).layer, panel(bench).view
    view.tools.choose(tool)
    assert not layer.mouse_pan
    view.tools.choose("look")
    assert layer.mouse_pan and layer.cursor == "standard"


def test_a_push_that_starts_too_far_inside_begins_where_it_touches(bench: Workbench) -> None:
    shown, where = begin(bench), place(bench)
    panel(bench).view.tools.choose("push")
    panel(bench).tools.settings.radius_mm = 3.0
    before = shown.contours.plane(where)
    row, column = right_edge(shown, where, Outline.EPI)
    middle = (row, float(np.nonzero(before == LV)[1].mean()))
    drag(shown, *where, middle, middle)
    assert not shown.contours.can_undo, "no contour was touched"
    drag(shown, *where, middle, (row, column + 4))
    after = shown.contours.plane(where)
    assert (after == LV).sum() > (before == LV).sum(), "the first contour on the way is the endocardium"
    assert shown.contours.can_undo
    panel(bench).act("undo")
    assert np.array_equal(shown.contours.plane(where), before)
    assert not shown.contours.can_undo


def test_pushing_far_from_any_contour_does_nothing(bench: Workbench) -> None:
    shown, where = begin(bench, BY_HAND), place(bench)
    panel(bench).view.tools.choose("push")
    drag(shown, *where, (50, 50), (60, 60))
    assert not shown.contours.can_undo and not shown.contours.labels.any()


def test_a_heart_is_drawn_by_hand_and_accepted(bench: Workbench) -> None:
    shown, where = begin(bench, BY_HAND), place(bench)
    view = panel(bench).view
    angles = np.linspace(0, 2 * np.pi, 40)
    for outline, radius in (("epi", 22), ("endo", 14)):
        view.outlines.choose(outline)
        view.tools.choose("draw")
        drag(shown, *where, *((70 + radius * np.sin(a), 80 + radius * np.cos(a)) for a in angles))
    areas = [(shown.contours.plane(where) == s).sum() for s in Structure]
    assert areas == [
        pytest.approx(np.pi * 14**2, rel=0.03),
        pytest.approx(np.pi * (22**2 - 14**2), rel=0.03),
        0,
    ]
    panel(bench).act("accept slice")
    states = [shown.contours.states.state(*where, s) for s in Structure]
    assert states == [ContourState.ACCEPTED, ContourState.ACCEPTED, ContourState.CONFIRMED_ABSENT]
    assert "1 confirmed absent" in view.counts.text()
    panel(bench).act("copy to apex")
    assert place(bench) == (where[0], where[1] + 1)
    assert (shown.contours.plane(place(bench)) == LV).any()


def test_napari_s_brush_is_a_step_with_the_radius_and_structure_of_the_panel(bench: Workbench) -> None:
    shown, where = begin(bench, BY_HAND), place(bench)
    view = panel(bench).view
    view.outlines.choose("RV")
    view.tools.choose("brush")
    assert (shown.layer.mode, shown.layer.selected_label) == ("paint", RV)
    drag(shown, *where, (40, 40), (40, 50))
    assert shown.contours.states.state(*where, RV) is ContourState.ACCEPTED
    assert panel(bench).view.buttons["undo"].isEnabled()
    panel(bench).act("undo")
    assert not shown.contours.labels.any()
    view.tools.choose("look")
    assert shown.layer.mode == "pan_zoom" and shown.layer.mouse_pan


def test_an_array_that_a_script_puts_in_is_one_step(bench: Workbench) -> None:
    shown = begin(bench)
    own = shown.contours.labels
    before = own.copy()
    shown.layer.data = np.zeros_like(before)
    assert shown.layer.data is own and not own.any()
    panel(bench).act("undo")
    assert np.array_equal(own, before)


def test_undo_goes_where_it_changes_something(bench: Workbench) -> None:
    shown, where = begin(bench), place(bench)
    panel(bench).view.outlines.choose("endo")
    panel(bench).act("grow")
    bench.scene.go_to(3, 2)
    panel(bench).act("undo")
    assert place(bench) == where
    bench.scene.go_to(3, 2)
    panel(bench).act("redo")
    assert place(bench) == where and shown.contours.can_undo


def test_keys_of_the_layer_act_on_it(bench: Workbench) -> None:
    shown, where = begin(bench, BY_HAND), place(bench)
    keys = {str(key): act for key, act in shown.layer.keymap.items()}
    keys["A"](shown.layer)
    assert shown.contours.states.locked(*where) == set(Structure)
    keys["Space"](shown.layer)
    assert panel(bench).view.outlines.value == "epi"
    keys["S"](shown.layer)
    assert place(bench)[0] == {p: t for t, p in bench.session.exam.phase_frames.items()}[Phase.ES]
    keys["H"](shown.layer)
    assert not shown.layer.visible
    keys["Ctrl+Z"](shown.layer)
    assert not shown.contours.can_undo


def test_contours_are_propagated_as_proposals_that_leave_accepted_ones_alone(
    bench: Workbench, wait: Wait
) -> None:
    shown, (frame, slice_) = begin(bench, BY_HAND), place(bench)
    reference = bench.session.exam.reference_labels[frame, slice_]
    shown.change({(frame, slice_): reference})
    own = np.where(reference == LV, np.uint8(LV), np.uint8(0))
    shown.change({(frame + 2, slice_): own})
    panel(bench).act("propagate slice")
    wait(lambda: idle(bench))
    states = shown.contours.states
    assert states.state(frame + 1, slice_, MYO) is ContourState.PROPOSED
    assert states.state(frame + 2, slice_, LV) is ContourState.ACCEPTED
    assert np.array_equal(shown.contours.plane((frame + 2, slice_)) == LV, own == LV)
    assert (shown.contours.labels[:, slice_] == RV).any(axis=(1, 2)).all()
    panel(bench).act("undo")
    assert states.count(ContourState.PROPOSED) == 0


def test_slices_between_drawn_ones_are_proposed(bench: Workbench) -> None:
    shown, (frame, slice_) = begin(bench), place(bench)
    shown.change({(frame, slice_): np.zeros_like(shown.contours.plane((frame, slice_)))})
    panel(bench).act("interpolate")
    assert shown.contours.states.state(frame, slice_, LV) is ContourState.PROPOSED
    assert "1.000" not in panel(bench).view.scores.text().split("ES")[0]


def test_a_click_on_the_map_goes_there_and_the_map_follows(bench: Workbench) -> None:
    begin(bench)
    states = panel(bench).view.states
    states.place_requested.emit(4, 3)
    assert place(bench) == (4, 3) == states._place
    assert "frame 4, slice 3" in states.text_at(4, 3)
    assert not states.grab().isNull()


def test_contours_belong_to_their_exam(bench: Workbench, wait: Wait) -> None:
    shown, where = begin(bench, BY_HAND), place(bench)
    panel(bench).act("accept slice")
    show_subject(bench, 1, wait)
    assert contours_of(bench) is None
    view = panel(bench).view
    assert view.starting.isVisibleTo(view) and not view.editing.isVisibleTo(view)
    other = begin(bench)
    assert other is not shown
    show_subject(bench, 0, wait)
    assert contours_of(bench) is shown
    assert shown.contours.states.locked(*where) == set(Structure)


def test_a_layer_deleted_by_hand_leaves_a_draft_to_continue(
    bench: Workbench, tmp_path: Path, wait: Wait
) -> None:
    shown, where = begin(bench, BY_HAND), place(bench)
    panel(bench).act("accept slice")
    bench.scene._viewer.layers.remove(shown.layer)
    wait(lambda: idle(bench))
    assert contours_of(bench) is None
    exam = bench.session.exam
    assert draft_path(tmp_path / "drafts", exam.fingerprint).is_file()
    panel(bench).continue_draft()
    wait(lambda: contours_of(bench) is not None)
    again = contours_of(bench)
    assert again is not shown and again.contours.states.locked(*where) == set(Structure)


def test_a_draft_is_written_while_one_edits_and_offered_at_the_next_start(
    bench: Workbench, tmp_path: Path, wait: Wait, cohort: Path
) -> None:
    shown, where = begin(bench), place(bench)
    panel(bench).view.outlines.choose("endo")
    panel(bench).act("grow")
    panel(bench).view.tick.emit()
    wait(lambda: idle(bench))
    exam = bench.session.exam
    draft = read_draft(tmp_path / "drafts", exam.fingerprint, exam.pixels.shape)
    assert draft is not None and np.array_equal(draft.labels, shown.contours.labels)
    stamp = draft_path(tmp_path / "drafts", exam.fingerprint).stat().st_mtime_ns
    panel(bench).view.tick.emit()
    wait(lambda: idle(bench))
    assert draft_path(tmp_path / "drafts", exam.fingerprint).stat().st_mtime_ns == stamp
    assert exam.subject.id not in "".join(path.name for path in (tmp_path / "drafts").iterdir())
    bench.scene._viewer.layers.remove(shown.layer)
    show_subject(bench, 1, wait)
    show_subject(bench, 0, wait)
    view = panel(bench).view
    assert view.draft.isVisibleTo(view.starting) and view.draft.text().startswith("Continue the draft of 20")
    view.draft.click()
    wait(lambda: contours_of(bench) is not None)
    again = contours_of(bench)
    assert np.array_equal(again.contours.labels, draft.labels)
    assert again.contours.states.state(*where, LV) is ContourState.ACCEPTED


def test_a_damaged_draft_is_reported_and_the_exam_stays_usable(
    bench: Workbench, tmp_path: Path, wait: Wait
) -> None:
    path = draft_path(tmp_path / "drafts", bench.session.exam.fingerprint)
    path.parent.mkdir()
    path.write_bytes(b"broken")
    panel(bench).continue_draft()
    wait(lambda: "Move the file away" in bench.job_bar.problems.text())
    assert begin(bench).contours.labels.any()


def test_corrected_contours_are_saved_as_label_versions(bench: Workbench, tmp_path: Path, wait: Wait) -> None:
    shown = begin(bench)
    panel(bench).view.outlines.choose("endo")
    panel(bench).act("grow")
    phases = {phase: frame for frame, phase in bench.session.exam.phase_frames.items()}
    bench.panel(SaveController).save_versions(phases)
    wait(lambda: idle(bench))
    versions, problems = list_versions(tmp_path / "labels")
    assert not problems and {version.phase for version in versions} == set(Phase)
    assert {version.origin for version in versions} == {Origin.IMPORTED}
    (ed,) = [version for version in versions if version.phase is Phase.ED]
    assert ed.states == shown.contours.states.titles(phases[Phase.ED])
    assert "accepted" in ed.states["LV"] and "not drawn" in ed.states["LV"]
    assert shown.contours.can_undo


def test_what_is_drawn_from_nothing_is_manual(bench: Workbench, tmp_path: Path, wait: Wait) -> None:
    shown, where = begin(bench, BY_HAND), place(bench)
    shown.change({where: bench.session.exam.reference_labels[where]})
    bench.panel(SaveController).save_versions({Phase.ED: where[0]})
    wait(lambda: idle(bench))
    (version,), _ = list_versions(tmp_path / "labels")
    assert version.origin is Origin.MANUAL and version.states["RV"][where[1]] == "accepted"


def test_research_use_only_is_always_in_view(bench: Workbench) -> None:
    (label,) = [each for each in bench.findChildren(QLabel) if each.text() == RESEARCH_ONLY]
    for tab in range(bench.tabs.count()):
        bench.tabs.setCurrentIndex(tab)
        assert label.isVisibleTo(bench)


def test_actions_without_contours_say_what_to_do(bench: Workbench) -> None:
    panel(bench).act("smooth")
    assert "Start correcting" in bench.job_bar.problems.text()


def test_shapes_change_only_the_chosen_outline(bench: Workbench) -> None:
    shown, where = begin(bench), place(bench)
    before = shown.contours.plane(where)
    for outline, action in product(Outline, ("smooth", "grow", "shrink", "clear")):
        panel(bench).view.outlines.choose(outline)
        panel(bench).act(action)
        after = shown.contours.plane(where)
        sizes = [int(region_of(plane, outline).sum()) for plane in (before, after)]
        if action == "grow":
            assert sizes[1] > sizes[0]
        elif action == "smooth":
            assert sizes[1] == pytest.approx(sizes[0], rel=0.02)
        else:
            assert sizes[1] < sizes[0]
        kept = {Outline.ENDO: RV, Outline.EPI: LV, Outline.RV: LV}[outline]
        assert np.array_equal(before == kept, after == kept)
        while shown.contours.can_undo:
            panel(bench).act("undo")
    assert np.array_equal(shown.contours.plane(where), before)


def test_saved_contours_are_no_longer_unsaved_and_leave_without_a_word(bench: Workbench, wait: Wait) -> None:
    told: list[str] = []
    bench.scene.layer_stored.connect(told.append)
    shown = begin(bench)
    panel(bench).view.outlines.choose("endo")
    panel(bench).act("grow")
    assert edits.unsaved([shown.layer]) == [shown.layer]
    show_subject(bench, 1, wait)
    assert told == [shown.layer.name], "unsaved contours are hidden with a word"
    show_subject(bench, 0, wait)
    phases = {phase: frame for frame, phase in bench.session.exam.phase_frames.items()}
    bench.panel(SaveController).save_versions({Phase.ED: phases[Phase.ED]})
    wait(lambda: idle(bench))
    assert edits.unsaved([shown.layer]) == [shown.layer], "ES is not saved"
    bench.panel(SaveController).save_versions(phases)
    wait(lambda: idle(bench))
    assert edits.unsaved([shown.layer]) == []
    show_subject(bench, 1, wait)
    assert told == [shown.layer.name]
