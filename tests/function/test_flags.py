"""Each quality flag is raised by a heart made wrong in exactly that way, and none by a sound one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.function import (
    Flag,
    FlagCode,
    Gravity,
    Judged,
    estimated_dice,
    find_flags,
    measure_shapes,
)
from cmr_ssp.phantoms import make_phantom
from cmr_ssp.subjects import SliceOrder
from scipy import ndimage

LV, MYO, RV = Structure
ALL = frozenset(Structure)
HEART = make_phantom(seed=0, n_frames=12)
ED, ES = HEART.end_diastole, HEART.end_systole
SLICES = np.flatnonzero((HEART.labels == RV).any(axis=(2, 3))[ED])
MID = int(SLICES[len(SLICES) // 2])
Labels = np.ndarray


def flags_of(labels: Labels, **options: object) -> tuple[Flag, ...]:
    options = {"drawn": [ALL] * len(labels), "slice_order": SliceOrder.BASE_FIRST, **options}
    found = find_flags(Judged.of(measure_shapes(labels, HEART.spacing_mm), **options))
    return (*found.frames, *found.cine)


def disc(plane: Labels, radius: int, centre: tuple[int, int] | None = None) -> np.ndarray:
    """Return a disc in pixels, by default around the LV cavity."""
    row, column = centre or (round(mean) for mean in ndimage.center_of_mass(plane == LV))
    rows, columns = np.ogrid[: plane.shape[0], : plane.shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def draw_small_rv(plane: Labels) -> None:
    rows, columns = np.nonzero(plane == RV)
    plane[plane == RV] = 0
    plane[rows[0], columns[0]] = RV


def stray(structure: Structure) -> Callable[[Labels], None]:
    def draw(plane: Labels) -> None:
        plane[2:6, 2:6] = structure

    return draw


def open_the_wall(plane: Labels) -> None:
    below = np.zeros(plane.shape, bool)
    below[round(ndimage.center_of_mass(plane == LV)[0]) :] = True
    plane[(plane == MYO) & below] = 0


def take_the_septum(plane: Labels) -> None:
    near = ndimage.binary_dilation(plane == RV, iterations=12)
    plane[(plane == MYO) & near] = RV


def put_rv_in_cavity(plane: Labels) -> None:
    plane[disc(plane, 1)] = RV


def leave_a_hole(plane: Labels) -> None:
    plane[disc(plane, 1)] = 0


def make_the_cavity_a_cross(plane: Labels) -> None:
    cavity = plane == LV
    row, column = (round(mean) for mean in ndimage.center_of_mass(cavity))
    arms = np.zeros(plane.shape, bool)
    arms[row - 1 : row + 2] = arms[:, column - 1 : column + 2] = True
    plane[cavity & ~arms] = MYO


def fray_the_epicardium(plane: Labels) -> None:
    row, column = (round(mean) for mean in ndimage.center_of_mass(plane == LV))
    spikes = np.zeros(plane.shape, bool)
    spikes[row - 1 : row + 2, max(column - 45, 0) : column + 45] = True
    spikes[max(row - 45, 0) : row + 45, column - 1 : column + 2] = True
    plane[spikes & (plane != LV)] = MYO


def thin_the_rv(plane: Labels) -> None:
    plane[plane == RV] = 0
    plane[20:90, 8] = plane[20, 8:60] = RV


def stretch(plane: Labels) -> None:
    longer = ndimage.zoom(plane, (1.8, 1), order=0)
    begin = round(1.8 * ndimage.center_of_mass(plane == LV)[0]) - plane.shape[0] // 2
    plane[:] = longer[begin : begin + plane.shape[0]]


def thin_the_wall(plane: Labels) -> None:
    cavity = plane == LV
    plane[(plane == MYO) & ~ndimage.binary_dilation(cavity, np.ones((3, 3)))] = 0


def thicken_the_wall(plane: Labels) -> None:
    plane[disc(plane, 45) & (plane != LV)] = MYO


IN_A_SLICE = [
    (FlagCode.FEW_PIXELS, RV, draw_small_rv),
    *[(FlagCode.SEVERAL_PARTS, structure, stray(structure)) for structure in Structure],
    (FlagCode.OPEN_MYOCARDIUM, MYO, open_the_wall),
    (FlagCode.RV_TOUCHES_LV, RV, take_the_septum),
    (FlagCode.RV_INSIDE_LV, RV, put_rv_in_cavity),
    (FlagCode.HOLE, MYO, leave_a_hole),
    (FlagCode.ROUGH, LV, make_the_cavity_a_cross),
    (FlagCode.ROUGH, MYO, fray_the_epicardium),
    (FlagCode.ROUGH, RV, thin_the_rv),
    (FlagCode.ELONGATED, MYO, stretch),
    (FlagCode.THIN_WALL, MYO, thin_the_wall),
    (FlagCode.THICK_WALL, MYO, thicken_the_wall),
]


@pytest.mark.parametrize("seed", range(4))
def test_a_sound_heart_raises_none(seed: int) -> None:
    heart = make_phantom(seed, n_frames=12)
    facts = measure_shapes(heart.labels, heart.spacing_mm)
    found = find_flags(Judged.of(facts, slice_order=SliceOrder.BASE_FIRST))
    assert (found.frames, found.cine) == ((), ())


@pytest.mark.parametrize(
    ("code", "structure", "spoil"), IN_A_SLICE, ids=[f"{c}-{s.name}" for c, s, _ in IN_A_SLICE]
)
def test_a_wrong_slice_is_flagged(
    code: FlagCode, structure: Structure, spoil: Callable[[Labels], None]
) -> None:
    labels = HEART.labels.copy()
    spoil(labels[ED, MID])
    found = [flag for flag in flags_of(labels) if flag.code is code]
    assert [(flag.frame, flag.slice_index, flag.structure) for flag in found] == [(ED, MID, structure)]
    assert found[0].sentence.endswith(".") and np.isfinite(found[0].value)


def without(structure: Structure, *slices: int) -> Labels:
    labels = HEART.labels.copy()
    for slice_index in slices or range(labels.shape[1]):
        plane = labels[ED, slice_index]
        plane[plane == structure] = 0
    return labels


def of(code: FlagCode, labels: Labels, **options: object) -> list[tuple[int | None, int | None]]:
    """Return frame and slice of the flags of one kind."""
    return [(flag.frame, flag.slice_index) for flag in flags_of(labels, **options) if flag.code is code]


def test_a_structure_that_a_network_did_not_find_is_missing() -> None:
    labels = without(RV)
    assert of(FlagCode.MISSING, labels) == [(ED, None)]
    assert not flags_of(labels, drawn=None), "an RV without labels is not labelled, and cannot be judged"


def test_a_gap_in_the_stack_is_flagged() -> None:
    assert of(FlagCode.STACK_GAP, without(LV, MID)) == [(ED, MID)]


def test_a_short_ventricle_is_flagged() -> None:
    left = np.flatnonzero((HEART.labels[ED] == LV).any(axis=(1, 2)))
    assert of(FlagCode.FEW_SLICES, without(LV, *left[5:])) == [(ED, None)]
    assert of(FlagCode.FEW_SLICES, HEART.labels[:, left[:5]]) == [], "the stack itself is short"


def test_a_missing_rv_at_mid_level_is_flagged() -> None:
    labels = without(RV, *range(MID, HEART.labels.shape[1]))
    places = of(FlagCode.RV_MISSING, labels)
    assert (ED, MID) in places and {frame for frame, _ in places} == {ED}
    assert not of(FlagCode.STACK_GAP, labels)


def test_a_slice_beside_the_others_is_flagged() -> None:
    labels = HEART.labels.copy()
    labels[ED, MID] = np.roll(labels[ED, MID], round(25 / HEART.spacing_mm[1]), axis=0)
    assert of(FlagCode.SHIFT, labels) == [(ED, MID - 1), (ED, MID)]


def test_a_slice_that_is_much_smaller_than_its_neighbours_is_flagged() -> None:
    labels = HEART.labels.copy()
    plane = labels[ED, MID]
    plane[~disc(plane, 10) & (plane != RV)] = 0
    assert (ED, MID) in of(FlagCode.AREA_STEP, labels)


def test_a_ventricle_upside_down_is_flagged_if_the_order_is_known() -> None:
    upside_down = HEART.labels[:, ::-1]
    assert (ED, None) in of(FlagCode.WIDER_APEX, upside_down)
    assert not flags_of(upside_down, slice_order=SliceOrder.UNKNOWN)


def two_frames(end_systole: Labels) -> Labels:
    return np.stack([HEART.labels[ED], end_systole])


PHASES = {Phase.ED: 0, Phase.ES: 1}


def test_two_frames_are_enough_for_what_compares_ed_and_es() -> None:
    assert not flags_of(two_frames(HEART.labels[ES]))
    same = two_frames(HEART.labels[ED])
    assert of(FlagCode.EJECTION_FRACTION, same, phases=PHASES) == [(None, None)]


def test_stroke_volumes_that_disagree_are_flagged() -> None:
    systole = HEART.labels[ES].copy()
    systole[systole == RV] = 0
    systole[(HEART.labels[ED] == RV) & (systole == 0)] = RV
    assert of(FlagCode.STROKE_VOLUMES, two_frames(systole)) == [(None, None)]


def test_a_mass_that_changes_is_flagged() -> None:
    systole = HEART.labels[ES].copy()
    for plane in systole:
        wall = ndimage.binary_dilation(plane == MYO, iterations=4)
        plane[wall & (plane == 0)] = MYO
    assert of(FlagCode.MASS, two_frames(systole)) == [(None, None)]


def test_a_frame_that_does_not_fit_the_curve_is_flagged() -> None:
    labels = HEART.labels.copy()
    labels[ES] = labels[ED]
    assert (ES, None) in of(FlagCode.VOLUME_JUMP, labels)
    assert not of(FlagCode.VOLUME_JUMP, labels[ES - 2 : ES + 3]), "five frames are no curve"


def test_a_slice_that_does_not_fit_in_time_is_flagged() -> None:
    labels = HEART.labels.copy()
    plane = labels[ED, MID]
    plane[~disc(plane, 10) & (plane != RV)] = 0
    assert of(FlagCode.SLICE_JUMP, labels) == [(ED, MID)]


def test_an_es_right_after_ed_is_flagged_wherever_the_cine_begins() -> None:
    early = {Phase.ED: 11, Phase.ES: 0}
    assert of(FlagCode.ES_TIME, HEART.labels, phases=early) == [(0, None)]
    rolled = np.roll(HEART.labels, 7, axis=0)
    assert not of(FlagCode.ES_TIME, rolled)


def test_an_undrawn_myocardium_raises_no_flag() -> None:
    cavities = np.where(HEART.labels == LV, LV, 0).astype(np.uint8)
    assert not flags_of(cavities, drawn=None)
    drawn = [frozenset({LV, MYO}), *[frozenset({LV})] * 11]
    cavities[0][HEART.labels[0] == MYO] = MYO
    assert not flags_of(cavities, drawn=drawn), "as in Sunnybrook, with the wall at ED only"


def test_one_slice_is_measured_again_as_if_all_were() -> None:
    labels = HEART.labels.copy()
    before = measure_shapes(labels, HEART.spacing_mm)
    leave_a_hole(labels[ED, MID])
    again, anew = before.remeasured(labels[ED, MID], ED, MID), measure_shapes(labels, HEART.spacing_mm)
    for name in type(again).__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(anew, name), err_msg=name)
    assert before.enclosed[ED, MID] == 0, "the facts before the edit stay as they were"


def certainty_of(labels: Labels, share: float) -> np.ndarray:
    """Return the certainty of a network whose probability is `share` in its labels, the rest being around."""
    pixels = np.stack([(labels == structure).sum(axis=(2, 3)) for structure in Structure], axis=-1)
    return np.stack([share * pixels, 2.0 * pixels], axis=-1).astype(np.float32)


def test_an_unsure_network_is_flagged_and_a_sure_one_is_not() -> None:
    judged = Judged.of(measure_shapes(HEART.labels, HEART.spacing_mm), [ALL] * 12)
    sure, unsure = (certainty_of(HEART.labels, share) for share in (0.97, 0.6))
    assert not find_flags(judged, sure).cine
    found = [flag for flag in find_flags(judged, unsure).cine if flag.code is FlagCode.UNSURE]
    assert {flag.frame for flag in found} == set(range(12))
    assert (estimated_dice(judged, unsure) < estimated_dice(judged, sure)).all()


def test_an_estimate_needs_all_structures_and_two_phases() -> None:
    facts = measure_shapes(HEART.labels, HEART.spacing_mm)
    sure = certainty_of(HEART.labels, 0.9)
    no_rv = Judged.of(facts, [frozenset({LV, MYO}), *[ALL] * 11])
    assert np.isnan(estimated_dice(no_rv, sure)).tolist() == [True, *[False] * 11]
    assert np.isnan(estimated_dice(Judged.of(facts, phases={}), sure)).all()


def test_what_is_impossible_is_told_from_what_is_rare() -> None:
    labels = HEART.labels.copy()
    put_rv_in_cavity(labels[ED, MID])
    assert {flag.gravity for flag in flags_of(labels)} == {Gravity.WRONG}
