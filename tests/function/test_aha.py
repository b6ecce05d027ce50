"""AHA segments of a heart of rings: the RV left, insertions at the top left and the bottom left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp import open_cine
from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import LabelError
from cmr_ssp.function.aha import (
    AhaModel,
    aha_model,
    mean_value,
    segment_labels,
    segment_thickening,
    segment_thickness,
)
from cmr_ssp.function.segments import (
    SEGMENT_NAMES,
    Insertions,
    Level,
    Orientation,
    level_of,
    levels_of,
    segments_of_directions,
)
from cmr_ssp.function.walls import Walls, slice_wall, stack_walls
from cmr_ssp.phantoms import make_phantom
from files_helpers import save
from ring_helpers import stack_of_rings

SPACING_MM = (8.0, 1.4, 1.4)
USUAL = Orientation()
LEFT = Insertions(anterior_deg=240, septum_deg=-120)
"""As `stack_of_rings` has them."""


@pytest.fixture(scope="module")
def walls() -> Walls:
    return stack_walls(stack_of_rings(), SPACING_MM)


@pytest.fixture(scope="module")
def model(walls: Walls) -> AhaModel:
    return aha_model(walls, 0, USUAL)


def in_direction(level: Level, insertions: Insertions, *degrees: float) -> list[int]:
    numbers = segments_of_directions(level, insertions, 360)
    return [int(numbers[round(degree) % 360]) for degree in degrees]


def test_segments_lie_as_the_association_numbers_them() -> None:
    # clockwise on the screen from the right: 270 is up (anterior), 180 left (septum), 90 down (inferior)
    middles = (270, 210, 150, 90, 30, 330)
    assert in_direction(Level.BASAL, LEFT, *middles) == [1, 2, 3, 4, 5, 6]
    assert in_direction(Level.MID, LEFT, *middles) == [7, 8, 9, 10, 11, 12]
    assert in_direction(Level.APICAL, LEFT, 270, 180, 90, 0) == [13, 14, 15, 16]
    assert in_direction(Level.APEX, LEFT, 0, 77) == [17, 17]
    # 1 begins at the anterior insertion, 2 on its other side, 4 beyond the inferior one
    assert in_direction(Level.BASAL, LEFT, 241, 239, 121, 119) == [1, 2, 3, 4]
    assert SEGMENT_NAMES[2] == "basal anteroseptal" and SEGMENT_NAMES[16] == "apical lateral"
    assert [level_of(number) for number in (6, 7, 16, 17)] == list(Level)


def test_mirrored_image_is_numbered_the_other_way_round() -> None:
    mirrored = Insertions(anterior_deg=300, septum_deg=120)  # the RV right, anterior still up
    assert in_direction(Level.BASAL, mirrored, 270, 330, 30, 90, 150, 210) == [1, 2, 3, 4, 5, 6]
    assert in_direction(Level.APICAL, mirrored, 270, 0, 90, 180) == [13, 14, 15, 16]


def test_wide_septum_is_halved_and_the_rest_quartered() -> None:
    numbers = segments_of_directions(Level.BASAL, Insertions(10, -160), 3600)
    counts = np.bincount(numbers)[1:]
    assert counts == pytest.approx([500, 800, 800, 500, 500, 500], abs=1)
    assert np.bincount(segments_of_directions(Level.APICAL, Insertions(10, -160), 3600))[
        13:
    ] == pytest.approx([900] * 4, abs=1)


def test_levels_are_thirds_of_what_is_closed() -> None:
    def counted(n: int, *, base_first: bool = True) -> str:
        return "".join(level.value[0] for level in levels_of(range(2, 2 + n), base_first=base_first).values())

    assert counted(9) == "bbbmmmaaa"
    assert counted(9, base_first=False) == "aaammmbbb"
    assert [counted(n) for n in (3, 4, 5, 7, 8)] == ["bma", "bmma", "bbmaa", "bbmmmaa", "bbbmmaaa"]
    with pytest.raises(LabelError, match="only 2 slices"):
        levels_of([3, 4], base_first=True)


def test_model_of_a_stack(model: AhaModel) -> None:
    assert [model.levels.get(slice_) for slice_ in range(9)] == [
        None, *[Level.BASAL] * 2, *[Level.MID] * 3, *[Level.APICAL] * 2, Level.APEX,
    ]  # fmt: skip
    assert model.insertions.anterior_deg == pytest.approx(240, abs=4)
    assert model.insertions.inferior_deg == pytest.approx(120, abs=4)
    assert model.segments == range(1, 18)


def test_thickness_and_thickening(walls: Walls, model: AhaModel) -> None:
    ed, es = segment_thickness(walls, model, 0), segment_thickness(walls, model, 1)
    assert [value.segment for value in ed] == list(range(1, 18))
    assert [value.value for value in ed[:-1]] == pytest.approx([8] * 16, abs=0.3)
    assert [value.value for value in es[:-1]] == pytest.approx([12] * 16, abs=0.3)
    assert mean_value(ed) == pytest.approx(8, abs=0.15)
    gains = segment_thickening(walls, model, 1)
    assert [value.value for value in gains[:-1]] == pytest.approx([50] * 16, abs=8)
    assert mean_value(gains) == pytest.approx(50, abs=3)
    assert ed[7].slices == (3, 4, 5)
    assert gains[7].sentence.startswith("Segment 8 (mid anteroseptal), frame 1: wall thickening 5")
    assert ed[-1].value is None
    assert ed[-1].sentence == (
        "Segment 17 (apex), frame 0: wall thickness not available, short-axis slices do not cross the wall "
        "of the apex."
    )


def test_only_the_thin_segment_is_thin() -> None:
    labels = stack_of_rings()
    rows, columns = np.indices(labels.shape[2:]) - 99.5
    angle, radius = np.rad2deg(np.arctan2(rows, columns)), 1.4 * np.hypot(rows, columns)
    # at end systole, the wall opposite to the insertions (inferolateral) is as thin as at end diastole
    labels[1, 1:6, (np.abs(angle - 30) < 35) & (radius < 24)] = Structure.LV
    walls = stack_walls(labels, SPACING_MM)
    gains = segment_thickening(walls, aha_model(walls, 0, USUAL), 1)
    thin = {value.segment for value in gains if value.value is not None and value.value < 25}
    assert thin == {5, 11}


def test_open_segment_is_not_available_and_never_zero(walls: Walls, model: AhaModel) -> None:
    labels = stack_of_rings()
    rows, columns = np.indices(labels.shape[2:]) - 99.5
    in_gap = np.abs(np.rad2deg(np.arctan2(rows, columns)) + 30) < 25
    opened = dict(walls)
    for slice_ in (1, 2):  # both basal ones, at end systole
        plane = labels[1, slice_].copy()
        plane[in_gap & (plane == Structure.MYO)] = 0
        wall = slice_wall(plane, SPACING_MM[1:], 1, slice_)
        assert wall is not None
        opened[1, slice_] = wall
    for values in (segment_thickness(opened, model, 1), segment_thickening(opened, model, 1)):
        missing = {value.segment: value.reason for value in values if value.value is None}
        assert missing.keys() == {6, 17}
        assert missing[6] == "no slice has wall in most of it"
        assert values[4].value is not None


def test_undrawn_frame_is_no_measurement(walls: Walls, model: AhaModel) -> None:
    assert all(value.value is None for value in segment_thickness(walls, model, 5))
    assert mean_value(segment_thickness(walls, model, 5)) is None


def test_what_is_unknown_is_asked_for(walls: Walls) -> None:
    with pytest.raises(LabelError, match=r"order of the slices is unknown.*Say whether the first slice"):
        aha_model(walls, 0, None)
    blind = {place: replace(wall, rv=None) for place, wall in walls.items()}
    with pytest.raises(LabelError, match=r"the RV is not labelled.*Mark the anterior insertion"):
        aha_model(blind, 0, USUAL)
    with pytest.raises(LabelError, match="only 0 slices"):
        aha_model({}, 0, USUAL)
    assert aha_model(blind, 0, USUAL, LEFT).insertions == LEFT


def test_insertions_by_hand() -> None:
    centre, spacing_mm = (100.0, 100.0), (1.0, 2.0)
    up_left, down_left = (80.0, 95.0), (120.0, 95.0)
    both = Insertions.at(up_left, down_left, centre, spacing_mm)
    assert both.septum_deg < 0 and both.inferior_deg == pytest.approx(360 - both.anterior_deg)
    assert both.anterior_deg == pytest.approx(np.rad2deg(np.arctan2(-20, -10)) % 360)
    assert Insertions.at(up_left, None, centre, spacing_mm).septum_deg == -120
    assert Insertions.at(up_left, None, centre, spacing_mm, mirrored=True).septum_deg == 120
    mirrored = Insertions.at((80.0, 105.0), (120.0, 105.0), centre, spacing_mm)
    assert mirrored.septum_deg > 0


def test_apex_first(walls: Walls) -> None:
    turned = stack_of_rings()[:, ::-1]
    model = aha_model(stack_walls(turned, SPACING_MM), 0, Orientation(base_first=False))
    assert model.levels[0] is Level.APEX and model.levels[7] is Level.BASAL
    assert 8 not in model.levels


def test_segments_to_show(model: AhaModel, walls: Walls) -> None:
    plane = stack_of_rings()[0, 4]
    shown = segment_labels(plane, walls[0, 4], model, SPACING_MM[1:])
    assert set(np.unique(shown)) == {0, *range(7, 13)}
    assert np.array_equal(shown > 0, plane == Structure.MYO)
    assert shown[100, 100 - 22] in (8, 9) and shown[100 - 22, 100] == 7 and shown[100 + 22, 100] == 10
    outside = replace(walls[0, 4], slice_=0)
    assert not segment_labels(plane, outside, model, SPACING_MM[1:]).any()


@pytest.mark.parametrize("seed", [1, 2])
def test_phantom_infarct_lies_where_the_wall_thickens_least(seed: int) -> None:
    cine = make_phantom(seed, n_frames=4, group="MINF")
    walls = stack_walls(cine.labels, cine.spacing_mm, (cine.end_diastole, cine.end_systole))
    gains = segment_thickening(walls, aha_model(walls, cine.end_diastole, USUAL), cine.end_systole)
    basal = [value.value or 0 for value in gains[:6]]
    # the scars lie at -114 and 39 degrees, the RV at 180, before the heart is turned in the body
    assert int(np.argmin(basal)) + 1 == {1: 1, 2: 5}[seed]


def test_orientation_is_that_of_the_file(tmp_path: Path) -> None:
    cine = make_phantom(1, n_frames=4)
    for name, step, turn in (("usual", 1, 1), ("apex", -1, 1), ("mirrored", 1, -1)):
        voxels = np.flip(cine.pixels[0].T, axis=[axis for axis, way in ((0, turn), (2, step)) if way < 0])
        affine = cine.affine.copy()
        affine[:, 0] *= turn
        affine[:, 2] *= step
        path = save(tmp_path / f"{name}.nii.gz", np.repeat(voxels[..., None], 2, -1), affine)
        assert Orientation.of(open_cine(path).grid) == Orientation(mirrored=name == "mirrored")
    unknown = save(tmp_path / "unknown.nii.gz", np.ones((8, 8, 4, 2)))
    assert Orientation.of(open_cine(unknown).grid) is None
