from __future__ import annotations

import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.contours import Contours
from cmr_ssp.editing.states import ContourState, ContourStates

LV, MYO, RV = Structure


@pytest.fixture
def contours() -> Contours:
    """Return three frames of four slices with an LV in slice 2 of frame 1."""
    labels = np.zeros((3, 4, 8, 9), np.uint8)
    labels[1, 2, 2:5, 2:5] = LV
    return Contours(labels, ContourStates.of(labels))


def square(structure: Structure) -> np.ndarray:
    plane = np.zeros((8, 9), np.uint8)
    plane[1:4, 1:4] = structure
    return plane


def everything(contours: Contours) -> tuple[bytes, bytes]:
    return contours.labels.tobytes(), contours.states.array.tobytes()


def test_steps_are_undone_and_redone_with_labels_and_states(contours: Contours) -> None:
    stages = [everything(contours)]
    assert contours.change({(0, 1): square(LV), (2, 3): square(RV)}) == ((0, 1), (2, 3))
    stages.append(everything(contours))
    assert contours.change({(0, 1): square(MYO)}, ContourState.PROPOSED) == ((0, 1),)
    stages.append(everything(contours))
    assert contours.accept([(1, 2), (0, 1)]) == ((1, 2), (0, 1))
    stages.append(everything(contours))
    assert len(set(stages)) == 4
    for stage in reversed(stages[:-1]):
        assert contours.undo()
        assert everything(contours) == stage
    assert contours.undo() == () and not contours.can_undo
    for stage in stages[1:]:
        assert contours.redo()
        assert everything(contours) == stage
    assert contours.redo() == () and not contours.can_redo


def test_the_viewer_shares_the_array_and_its_strokes_are_steps(contours: Contours) -> None:
    shown = contours.labels
    shown[1, 2, 0, 0] = RV
    shown[2, 0, 0, 0] = LV
    assert contours.notice([(1, 2)]) == ((1, 2),)
    assert contours.states.state(1, 2, RV) is ContourState.ACCEPTED
    assert contours.states.state(1, 2, LV) is ContourState.PROPOSED
    assert contours.notice() == ((2, 0),)
    assert contours.undo() == ((2, 0),) and contours.labels is shown
    assert shown[2, 0, 0, 0] == 0 and shown[1, 2, 0, 0] == RV


def test_what_changes_nothing_is_no_step(contours: Contours) -> None:
    assert contours.change({(1, 2): contours.plane((1, 2))}) == ()
    assert contours.notice() == () and not contours.can_undo and contours.n_changes == 0


def test_a_new_step_forgets_what_was_undone(contours: Contours) -> None:
    contours.change({(0, 0): square(LV)})
    contours.undo()
    contours.change({(0, 1): square(LV)})
    assert not contours.can_redo and contours.n_changes == 3


def test_accepting_twice_is_one_step(contours: Contours) -> None:
    assert contours.accept([(1, 2)], [LV]) == ((1, 2),)
    assert contours.accept([(1, 2)], [LV]) == ()
    assert contours.states.state(1, 2, MYO) is ContourState.NOT_DRAWN


def test_a_returned_plane_is_a_copy(contours: Contours) -> None:
    contours.plane((1, 2))[:] = RV
    assert not (contours.labels == RV).any()
