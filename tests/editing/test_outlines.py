from __future__ import annotations

import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.filling import interpolated_slices, merged
from cmr_ssp.editing.outlines import Outline, region_of, with_region
from cmr_ssp.editing.push import Push
from cmr_ssp.editing.shapes import swept_disc

LV, MYO, RV = Structure
SHAPE = (100, 120)
SPACING = (1.0, 1.0)
HEART = (50, 70)


def disc(radius: float, centre: tuple[float, float] = HEART) -> np.ndarray:
    return swept_disc(SHAPE, centre, centre, radius, SPACING)


@pytest.fixture
def heart() -> np.ndarray:
    """Return a cavity of radius 15 in a wall of 8, with an RV to its left."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[disc(18, (50, 36))] = RV
    labels[disc(23)] = MYO
    labels[disc(15)] = LV
    labels.flags.writeable = False
    return labels


def areas(labels: np.ndarray) -> dict[Structure, int]:
    return {structure: int((labels == structure).sum()) for structure in Structure}


def test_what_lies_inside_the_epicardium_includes_the_cavity(heart: np.ndarray) -> None:
    assert np.array_equal(region_of(heart, Outline.EPI), disc(23))
    assert np.array_equal(region_of(heart, Outline.ENDO), disc(15))


@pytest.mark.parametrize("outline", list(Outline))
def test_putting_back_a_region_changes_nothing(heart: np.ndarray, outline: Outline) -> None:
    assert np.array_equal(with_region(heart, outline, region_of(heart, outline)), heart)


def test_a_larger_cavity_takes_from_the_wall_and_the_epicardium_stays(heart: np.ndarray) -> None:
    after = with_region(heart, Outline.ENDO, disc(18))
    assert np.array_equal(region_of(after, Outline.ENDO), disc(18))
    assert np.array_equal(region_of(after, Outline.EPI), disc(23))
    smaller = with_region(heart, Outline.ENDO, disc(10))
    assert np.array_equal(smaller == MYO, disc(23) & ~disc(10))


def test_a_cavity_cannot_leave_its_wall_unless_asked(heart: np.ndarray) -> None:
    assert np.array_equal(region_of(with_region(heart, Outline.ENDO, disc(30)), Outline.ENDO), disc(23))
    asked = with_region(heart, Outline.ENDO, disc(30), overwrite=True)
    assert np.array_equal(region_of(asked, Outline.ENDO), disc(30))


def test_a_cavity_without_a_wall_grows_and_shrinks_freely() -> None:
    labels = np.where(disc(10), np.uint8(LV), np.uint8(0))
    assert np.array_equal(with_region(labels, Outline.ENDO, disc(14)) == LV, disc(14))
    assert areas(with_region(labels, Outline.ENDO, disc(5)))[MYO] == 0


def test_a_smaller_epicardium_leaves_the_cavity_unless_asked(heart: np.ndarray) -> None:
    after = with_region(heart, Outline.EPI, disc(12))
    assert areas(after)[LV] == disc(15).sum() and areas(after)[MYO] == 0
    asked = with_region(heart, Outline.EPI, disc(12), overwrite=True)
    assert areas(asked)[LV] == disc(12).sum()


@pytest.mark.parametrize(("outline", "victim"), [(Outline.EPI, RV), (Outline.ENDO, RV), (Outline.RV, LV)])
def test_structures_leave_each_other_alone_unless_asked(
    heart: np.ndarray, outline: Outline, victim: Structure
) -> None:
    everywhere = np.ones(SHAPE, bool)
    assert areas(with_region(heart, outline, everywhere))[victim] == areas(heart)[victim]
    assert areas(with_region(heart, outline, everywhere, overwrite=True))[victim] == 0


@pytest.mark.parametrize(
    ("centre", "outline", "bulges"),
    [
        ((50, 82), Outline.ENDO, True),
        ((50, 87), Outline.ENDO, False),
        ((50, 90), Outline.EPI, True),
        ((50, 96), Outline.EPI, False),
        ((50, 22), Outline.RV, True),
        ((50, 14), Outline.RV, False),
    ],
)
def test_the_disc_pushes_the_nearest_contour_from_its_side(
    heart: np.ndarray, centre: tuple[float, float], outline: Outline, bulges: bool
) -> None:
    push = Push.begin(heart, centre, 6.0, SPACING)
    assert push is not None and (push.outline, push.bulges) == (outline, bulges)


def test_the_disc_touches_nothing_far_from_all_contours(heart: np.ndarray) -> None:
    assert Push.begin(heart, (5, 110), 6.0, SPACING) is None
    assert Push.begin(np.zeros(SHAPE, np.uint8), HEART, 50.0, SPACING) is None
    assert Push.begin(heart, (-20, 500), 6.0, SPACING) is None


def test_a_moving_disc_begins_where_it_first_touches(heart: np.ndarray) -> None:
    middle, out = HEART, (HEART[0], HEART[1] + 45.0)
    found = Push.begin_on_way(heart, middle, out, 2.0, SPACING)
    assert found is not None
    push, place = found
    assert push.outline is Outline.ENDO and push.bulges
    assert Push.begin(heart, place, 2.0, SPACING) == push
    assert Push.begin_on_way(heart, middle, middle, 2.0, SPACING) is None
    back = Push.begin_on_way(heart, out, middle, 2.0, SPACING)
    assert back is not None and back[0].outline is Outline.EPI and not back[0].bulges


def test_pushing_from_inside_bulges_and_from_outside_dents(heart: np.ndarray) -> None:
    inside, outside = (50, 90), (50, 99)
    bulge = Push.begin(heart, inside, 8.0, SPACING)
    assert bulge is not None
    bulged = bulge.move(heart, inside, (50, 92))
    assert region_of(bulged, Outline.EPI)[50, 99] and not region_of(heart, Outline.EPI)[50, 99]
    assert areas(bulged)[LV] == areas(heart)[LV]
    dent = Push.begin(heart, outside, 8.0, SPACING)
    assert dent is not None
    dented = dent.move(heart, outside, (50, 96))
    assert not region_of(dented, Outline.EPI)[50, 90] and region_of(heart, Outline.EPI)[50, 90]


def test_a_stroke_that_begins_a_little_too_far_continues_the_last_one(heart: np.ndarray) -> None:
    last = Push.begin(heart, (50, 96), 8.0, SPACING)
    assert last is not None and not last.bulges
    alone, after = (Push.begin(heart, (50, 92), 8.0, SPACING, last=each) for each in (None, last))
    assert alone is not None and alone.bulges
    assert after is not None and not after.bulges
    far = Push.begin(heart, (50, 90), 8.0, SPACING, last=last)
    assert far is not None and far.bulges


def test_fragments_and_holes_go_when_the_stroke_ends(heart: np.ndarray) -> None:
    cut = heart.copy()
    cut[:, 30:34] = np.where(cut[:, 30:34] == RV, 0, cut[:, 30:34])
    tidy = Push(Outline.RV, False, 5.0, SPACING).end(cut)
    assert not (tidy[:, :30] == RV).any() and (tidy[:, 34:] == RV).any()
    assert np.array_equal(tidy == LV, heart == LV)


def test_missing_slices_between_drawn_ones_are_interpolated(heart: np.ndarray) -> None:
    volume = np.zeros((6, *SHAPE), np.uint8)
    volume[1], volume[4] = (
        heart,
        with_region(with_region(heart, Outline.ENDO, disc(9)), Outline.EPI, disc(17)),
    )
    found = interpolated_slices(volume, SPACING)
    assert sorted(found) == [2, 3]
    radii = [np.sqrt((found[k] == LV).sum() / np.pi) for k in (2, 3)]
    assert radii == [pytest.approx(13, abs=0.5), pytest.approx(11, abs=0.5)]
    assert all(areas(found[k])[MYO] and areas(found[k])[RV] for k in (2, 3))


def test_an_outline_that_was_drawn_is_not_interpolated_over(heart: np.ndarray) -> None:
    volume = np.stack([heart] * 3)
    volume[1] = np.where(disc(4), np.uint8(LV), np.uint8(0))
    (middle,) = interpolated_slices(volume, SPACING).values()
    assert np.array_equal(middle == LV, disc(4)) and areas(middle)[MYO] and areas(middle)[RV]
    assert interpolated_slices(volume[:1], SPACING) == {}


def test_a_proposal_changes_no_locked_structure(heart: np.ndarray) -> None:
    proposal = with_region(heart, Outline.ENDO, disc(20))
    both = merged(heart, proposal, {LV})
    assert np.array_equal(both == LV, heart == LV)
    assert np.array_equal(merged(heart, proposal, set()), proposal)
    assert np.array_equal(merged(heart, np.zeros_like(heart), set(Structure)), heart)
