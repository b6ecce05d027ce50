from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.drafts import Draft, draft_path, list_drafts, read_draft, remove_draft, write_draft
from cmr_ssp.editing.states import ContourState, ContourStates
from cmr_ssp.errors import LabelError

LV, MYO, RV = Structure
CINE = "ab" * 32


@pytest.fixture
def labels() -> np.ndarray:
    """Return two frames of three slices with LV and MYO in the middle slice of the first."""
    labels = np.zeros((2, 3, 8, 9), np.uint8)
    labels[0, 1, 2:6, 2:6] = MYO
    labels[0, 1, 3:5, 3:5] = LV
    return labels


def test_a_segmentation_is_proposed_where_it_has_pixels(labels: np.ndarray) -> None:
    states = ContourStates.of(labels)
    assert [states.state(0, 1, s).title for s in Structure] == ["proposed", "proposed", "not drawn"]
    assert states.count(ContourState.PROPOSED) == 2
    assert not states.locked(0, 1)


def test_only_what_a_person_changed_is_accepted(labels: np.ndarray) -> None:
    states, before = ContourStates.of(labels), labels[0, 1].copy()
    labels[0, 1, 3, 3] = MYO
    labels[0, 1, 7, 7] = RV
    states.changed(0, 1, before, labels[0, 1], ContourState.ACCEPTED)
    assert states.locked(0, 1) == {LV, MYO, RV}
    only_rv = ContourStates.of(labels)
    changed = labels[0, 1].copy()
    changed[7, 8] = RV
    only_rv.changed(0, 1, labels[0, 1], changed, ContourState.ACCEPTED)
    assert only_rv.locked(0, 1) == {RV}


def test_erasing_a_structure_makes_it_not_drawn_and_accepting_then_confirms_its_absence(
    labels: np.ndarray,
) -> None:
    states, erased = ContourStates.of(labels), np.where(labels[0, 1] == LV, np.uint8(MYO), labels[0, 1])
    states.changed(0, 1, labels[0, 1], erased, ContourState.ACCEPTED)
    assert states.state(0, 1, LV) is ContourState.NOT_DRAWN
    states.accept(0, 1, erased)
    assert states.state(0, 1, LV) is ContourState.CONFIRMED_ABSENT
    assert states.state(0, 1, MYO) is ContourState.ACCEPTED
    states.accept(0, 0, labels[0, 0], [RV])
    assert [states.state(0, 0, s) for s in Structure] == [0, 0, ContourState.CONFIRMED_ABSENT]


def test_a_program_never_accepts(labels: np.ndarray) -> None:
    states = ContourStates.of(np.zeros_like(labels))
    states.changed(0, 1, np.zeros_like(labels[0, 1]), labels[0, 1], ContourState.PROPOSED)
    assert states.state(0, 1, LV) is ContourState.PROPOSED and not states.locked(0, 1)


def test_a_draft_comes_back_as_it_was(tmp_path: Path, labels: np.ndarray) -> None:
    states = ContourStates.of(labels)
    states.accept(0, 1, labels[0, 1])
    path = write_draft(tmp_path / "drafts", CINE, Draft(labels, states, {"run": "mim-1"}))
    assert path.name == f"{CINE[:32]}.npz"
    back = read_draft(tmp_path / "drafts", CINE, labels.shape)
    assert back is not None and back.about == {"run": "mim-1"}
    assert np.array_equal(back.labels, labels) and np.array_equal(back.states.array, states.array)
    remove_draft(tmp_path / "drafts", CINE)
    remove_draft(tmp_path / "drafts", CINE)
    assert read_draft(tmp_path / "drafts", CINE, labels.shape) is None


def test_a_draft_that_does_not_fit_is_refused_by_name(tmp_path: Path, labels: np.ndarray) -> None:
    write_draft(tmp_path, CINE, Draft(labels, ContourStates.of(labels)))
    with pytest.raises(LabelError, match=draft_path(tmp_path, CINE).name):
        read_draft(tmp_path, CINE, (2, 3, 8, 8))
    other = CINE[:32] + "cd" * 16
    with pytest.raises(LabelError, match="another exam"):
        read_draft(tmp_path, other, labels.shape)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", bytes(range(256))])
def test_a_damaged_draft_is_refused(tmp_path: Path, content: bytes) -> None:
    draft_path(tmp_path, CINE).write_bytes(content)
    with pytest.raises(LabelError, match="Move the file away"):
        read_draft(tmp_path, CINE, (1, 1, 1, 1))


def test_pickled_numbers_are_not_loaded(tmp_path: Path) -> None:
    np.savez(draft_path(tmp_path, CINE), labels=np.array([print], object), allow_pickle=True)
    with pytest.raises(LabelError):
        read_draft(tmp_path, CINE, (1, 1, 1, 1))


def test_numbers_that_are_no_structure_are_refused(tmp_path: Path, labels: np.ndarray) -> None:
    labels[0, 0, 0, 0] = 9
    write_draft(tmp_path, CINE, Draft(labels, ContourStates.of(labels)))
    with pytest.raises(LabelError, match="unknown structures"):
        read_draft(tmp_path, CINE, labels.shape)


def test_drafts_are_listed_with_the_frames_that_have_contours(tmp_path: Path, labels: np.ndarray) -> None:
    assert list_drafts(tmp_path / "none") == ()
    states = ContourStates.of(labels)
    path = write_draft(tmp_path, CINE, Draft(labels, states, {"images": "here"}))
    write_draft(tmp_path, "cd" * 32, Draft(labels, states))  # of an earlier version
    (tmp_path / "damaged.npz").write_bytes(path.read_bytes()[:99])
    np.savez(tmp_path / "pickled.npz", metadata=np.array([print], object), states=np.zeros(1))
    here, unknown = list_drafts(tmp_path)
    assert (here.images, here.frames, unknown.images) == ("here", {0}, "")
    assert here.written_ns == path.stat().st_mtime_ns
    labels[1] = labels[0]
    write_draft(tmp_path, CINE, Draft(labels, ContourStates.of(labels), {"images": "here"}))
    assert list_drafts(tmp_path)[0].frames == {0, 1}
