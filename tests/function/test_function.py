import csv
import io
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import NUMBERINGS, Phase, Structure
from cmr_ssp.errors import CmrSspError
from cmr_ssp.function.body import body_surface_area_m2, heart_rate
from cmr_ssp.function.choices import FunctionChoices, PapillarySide, Scan
from cmr_ssp.function.cines import measure_function
from cmr_ssp.function.papillary import papillary_pixels
from cmr_ssp.function.slices import SliceMeasures, SliceRule
from cmr_ssp.function.summary import cardiac_function, function_csv
from cmr_ssp.function.tidying import Step
from cmr_ssp.function.ventricles import peak_rates_ml_s
from nibabel.imagestats import mask_volume

SPACING_MM = (10.0, 1.25, 1.5)
SCAN = Scan(SPACING_MM)
PHASES = {Phase.ED: 0, Phase.ES: 1}


def slice_of(cavity: float, wall: float, rv: float = 0.0, size: int = 96) -> np.ndarray:
    """Return an LV of these radii in pixels, and a disc beside it."""
    rows, columns = np.ogrid[:size, :size]
    labels = np.zeros((size, size), np.uint8)
    labels[np.hypot(rows - 40, columns - 20) < rv] = Structure.RV
    distance = np.hypot(rows - 48, columns - 60)
    labels[distance < wall] = Structure.MYO
    labels[distance < cavity] = Structure.LV
    return labels


def heart(*radii: tuple[float, float, float], n_slices: int = 6) -> np.ndarray:
    """Return frames of equal slices."""
    return np.stack([np.stack([slice_of(*each)] * n_slices) for each in radii])


def ellipsoid(axes_mm: tuple[float, float, float], spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Return half an ellipsoid as LV: cut at its middle, the base, which lies between two slices."""
    shape = tuple(int(2.4 * axis / mm) for axis, mm in zip(axes_mm, spacing_mm, strict=True))
    grid = np.ogrid[: shape[0], : shape[1], : shape[2]]
    centre = (-0.5, shape[1] / 2, shape[2] / 2)
    inside = sum(
        ((index - middle) * mm / axis) ** 2
        for index, middle, mm, axis in zip(grid, centre, spacing_mm, axes_mm, strict=True)
    )
    return np.asarray(inside <= 1).astype(np.uint8)


@pytest.mark.parametrize("spacing_mm", [(2.0, 0.5, 0.5), (4.0, 0.4, 0.7)])
def test_half_an_ellipsoid_has_its_analytic_volume(spacing_mm: tuple[float, float, float]) -> None:
    ed, es = (ellipsoid((80.0, 25 * k, 27 * k), spacing_mm) for k in (1.0, 0.8))
    labels = np.zeros((2, *ed.shape), np.uint8)
    labels[0], labels[1, : es.shape[0], : es.shape[1], : es.shape[2]] = ed, es
    found = cardiac_function(SliceMeasures.of(labels, spacing_mm), Scan(spacing_mm), FunctionChoices())
    truth = [2 / 3 * math.pi * 80 * 25 * 27 * k**2 / 1000 for k in (1.0, 0.8)]
    assert found.lv is not None
    assert found.lv.edv_ml == pytest.approx(truth[0], rel=0.01)
    assert found.lv.esv_ml == pytest.approx(truth[1], rel=0.01)
    assert found.lv.ef_percent == pytest.approx(36.0, abs=0.5)


def test_quantities_follow_from_the_volumes() -> None:
    labels = heart((20, 28, 15), (12, 22, 10))
    choices = FunctionChoices(height_cm=180, weight_kg=80, heart_rate_bpm=60)
    found = cardiac_function(SliceMeasures.of(labels, SPACING_MM), SCAN, choices)
    voxel = 10 * 1.25 * 1.5 / 1000
    edv, esv = ((labels[t] == 1).sum() * voxel for t in (0, 1))
    assert found.value("LV", "EDV") == pytest.approx(edv)
    assert found.value("LV", "SV") == pytest.approx(edv - esv)
    assert found.value("LV", "EF") == pytest.approx(100 * (edv - esv) / edv)
    assert found.value("LV", "CO") == pytest.approx(60 * (edv - esv) / 1000)
    assert found.value("LV", "mass") == pytest.approx((labels[0] == 2).sum() * voxel * 1.05)
    assert found.value("body", "BSA") == pytest.approx(2.0)
    assert found.value("LV", "EDVi") == pytest.approx(edv / 2)
    assert found.value("RV", "EDV") == pytest.approx((labels[0] == 3).sum() * voxel)


def test_what_is_not_labelled_is_not_available() -> None:
    labels = heart((20, 28, 0), (12, 22, 0))
    found = cardiac_function(SliceMeasures.of(labels, SPACING_MM), SCAN, FunctionChoices())
    assert found.rv is None
    assert "The RV is not labelled." in found.notes
    rows = list(csv.reader(io.StringIO(function_csv(found))))
    assert rows[0] == ["structure", "quantity", "unit", "value"]
    assert ["RV", "EDV", "mL", "not available"] in rows
    assert ["LV", "CO", "L/min", "not available"] in rows
    assert next(row for row in rows if row[:2] == ["LV", "EDV"])[2] == "mL"


def test_an_undrawn_frame_is_never_end_systole() -> None:
    radii = [(20 + 6 * math.cos(2 * math.pi * t / 12), 30, 0) for t in range(12)]
    labels = heart(*radii)
    labels[3], labels[5, 1:] = 0, 0  # not drawn, and a failed frame
    found = cardiac_function(SliceMeasures.of(labels, SPACING_MM), SCAN, FunctionChoices())
    assert found.lv is not None
    assert dict(found.lv.phases) == {Phase.ED: 0, Phase.ES: 6}
    assert found.curves[Structure.LV][3] is None


def test_frames_can_be_chosen_and_the_rv_can_have_its_own() -> None:
    radii = [
        (20 + 6 * math.cos(2 * math.pi * t / 12), 30, 12 + 4 * math.cos(2 * math.pi * (t - 2) / 12))
        for t in range(12)
    ]
    measures = SliceMeasures.of(heart(*radii), SPACING_MM)
    chosen = cardiac_function(measures, SCAN, FunctionChoices(phases={Phase.ES: 5}))
    own = cardiac_function(measures, SCAN, FunctionChoices(rv_has_own_phases=True))
    assert chosen.lv is not None and own.rv is not None and chosen.rv is not None
    assert dict(chosen.lv.phases) == dict(chosen.rv.phases) == {Phase.ED: 0, Phase.ES: 5}
    assert dict(own.rv.phases) == {Phase.ED: 2, Phase.ES: 8}


def test_a_basal_slice_without_half_a_wall_does_not_count_unless_asked() -> None:
    labels = heart((20, 28, 0), (12, 22, 0))
    labels[0, 0, :60][labels[0, 0, :60] == Structure.MYO] = 0
    labels[0, 0, :, 50:][labels[0, 0, :, 50:] == Structure.MYO] = 0
    measures = SliceMeasures.of(labels, SPACING_MM)
    assert measures.surrounded[0, 1] == 1.0
    assert measures.surrounded[0, 0] < 0.5
    drawn, ruled = (
        cardiac_function(measures, SCAN, FunctionChoices(phases=PHASES, rule=rule)) for rule in SliceRule
    )
    assert drawn.lv is not None and ruled.lv is not None and drawn.mass_g and ruled.mass_g
    assert ruled.lv.edv_ml == pytest.approx(5 / 6 * drawn.lv.edv_ml)
    assert ruled.mass_g < drawn.mass_g
    left_out = next(each for each in ruled.slices if not each.counts)
    assert (left_out.phase, left_out.structure, left_out.slice) == (Phase.ED, Structure.LV, 0)
    assert left_out.ef_otherwise_percent == pytest.approx(drawn.lv.ef_percent)
    by_hand = FunctionChoices(
        phases=PHASES, rule=SliceRule.HALF_WALL, counted={(Phase.ED, Structure.LV, 0): True}
    )
    again = cardiac_function(measures, SCAN, by_hand)
    assert again.lv is not None and again.lv.edv_ml == pytest.approx(drawn.lv.edv_ml)
    assert again.mass_g == pytest.approx(drawn.mass_g)


def test_a_cavity_without_any_wall_counts_as_drawn() -> None:
    labels = heart((20, 28, 0), (12, 22, 0))
    labels[1][labels[1] == Structure.MYO] = 0
    found = cardiac_function(
        SliceMeasures.of(labels, SPACING_MM), SCAN, FunctionChoices(rule=SliceRule.HALF_WALL)
    )
    assert found.lv is not None and found.lv.esv_ml


def test_without_wall_at_es_the_lv_without_papillary_muscles_is_not_known() -> None:
    labels = heart((20, 28, 0), (12, 22, 0))
    labels[1][labels[1] == Structure.MYO] = 0
    image = np.where(labels == Structure.LV, 300.0, 100.0).astype(np.float32)
    image[:, :, 46:50, 58:62] = 110
    measures = SliceMeasures.of(labels, SPACING_MM, image)
    cavity, wall = (
        cardiac_function(measures, SCAN, FunctionChoices(papillary_side=side)) for side in PapillarySide
    )
    assert cavity.lv and wall.lv and cavity.lv.phases == wall.lv.phases == PHASES
    assert cavity.lv.ef_percent is not None and wall.lv.edv_ml is not None
    assert wall.lv.esv_ml is None and wall.lv.ef_percent is None
    assert {each.reason for each in cavity.slices if each.phase is Phase.ES} == {
        "no wall is drawn in this frame"
    }


def test_papillary_muscles_move_from_the_cavity_to_the_wall() -> None:
    labels = heart((20, 28, 0), (12, 22, 0))
    image = np.where(labels == Structure.LV, 300.0, 100.0).astype(np.float32)
    image[:, :, 46:50, 58:62] = 110
    assert papillary_pixels(labels[0, 0], image[0, 0]).sum() == 16
    measures = SliceMeasures.of(labels, SPACING_MM, image)
    cavity, wall = (
        cardiac_function(measures, SCAN, FunctionChoices(papillary_side=side)) for side in PapillarySide
    )
    assert cavity.lv and wall.lv and cavity.mass_g and wall.mass_g and cavity.papillary_ml
    assert cavity.papillary_ml == pytest.approx(6 * 16 * 10 * 1.25 * 1.5 / 1000)
    assert wall.lv.edv_ml == pytest.approx(cavity.lv.edv_ml - cavity.papillary_ml)
    assert wall.mass_g == pytest.approx(cavity.mass_g + 1.05 * cavity.papillary_ml)
    unknown = cardiac_function(
        SliceMeasures.of(labels, SPACING_MM), SCAN, FunctionChoices(papillary_side=PapillarySide.WALL)
    )
    assert unknown.papillary_side is PapillarySide.CAVITY
    assert any("image" in note for note in unknown.notes)


@pytest.mark.parametrize("frame_s", [0.0, 1.0, None])
def test_an_implausible_frame_time_gives_no_output(frame_s: float | None) -> None:
    scan = Scan((8.0, 1.0, 1.0), frame_s)
    found = cardiac_function(
        SliceMeasures.of(heart((20, 28, 0), (12, 22, 0)), SPACING_MM), scan, FunctionChoices()
    )
    assert found.value("LV", "CO") is None
    assert found.value("LV", "EF") is not None


def test_the_heart_rate_comes_from_the_best_source() -> None:
    assert heart_rate(70, 60, 0.04, 25).bpm == 70
    assert heart_rate(None, 62, 0.04, 25).bpm == 62
    assert heart_rate(None, 0, 0.04, 25).bpm == pytest.approx(60)
    assert heart_rate(None, None, 0.04, 2) is None


def test_rates_of_a_sine_are_its_slope() -> None:
    t = np.arange(30)
    curve = [100 + 30 * math.cos(2 * math.pi * each / 30) for each in t]
    ejection, filling = peak_rates_ml_s(curve, 0.03)
    assert ejection == pytest.approx(30 * 2 * math.pi / 0.9, rel=0.03)
    assert filling == pytest.approx(ejection, rel=1e-6)
    assert peak_rates_ml_s([*curve[:-1], None], 0.03) is None


def test_mosteller() -> None:
    assert body_surface_area_m2(170, 70) == pytest.approx(1.818, abs=1e-3)
    assert body_surface_area_m2(170, None) is None


def test_one_slice_measured_again_equals_all_measured_again() -> None:
    labels = heart((20, 28, 15), (12, 22, 10))
    image = np.random.default_rng(0).normal(200, 50, labels.shape).astype(np.float32)
    measures = SliceMeasures.of(labels, SPACING_MM, image)
    labels[1, 2] = slice_of(15, 25, 8)
    measures = measures.measured_again((1, 2), labels[1, 2], image[1, 2])
    whole = SliceMeasures.of(labels, SPACING_MM, image)
    assert (measures.pixels == whole.pixels).all()
    assert (measures.surrounded == whole.surrounded).all()
    assert (measures.papillary == whole.papillary).all()


def test_other_units_are_refused_all_at_once() -> None:
    with pytest.raises(CmrSspError, match="implausible") as refused:
        FunctionChoices(height_cm=1.8, weight_kg=8000)
    assert [problem.where for problem in refused.value.problems] == ["height", "weight"]


def test_post_processing_is_chosen_and_counted(tmp_path: Path) -> None:
    labels = heart((20, 28, 15), (12, 22, 10))
    labels[0, 2, 90:93, 90:93] = Structure.LV
    path = tmp_path / "heart_seg.nii.gz"
    affine = np.diag([*SPACING_MM[:0:-1], SPACING_MM[0], 1.0])
    nib.save(nib.Nifti1Image(labels.transpose(3, 2, 1, 0), affine), path)
    plain = measure_function([path], numbering=NUMBERINGS["mnms"])
    choices = FunctionChoices(tidying=frozenset([Step.SMALL_PARTS]))
    tidied = measure_function([path], choices=choices, numbering=NUMBERINGS["mnms"])
    assert plain.function.lv is not None and tidied.function.lv is not None
    lost_ml = 9 * float(np.prod(SPACING_MM)) / 1000
    assert tidied.function.lv.edv_ml == pytest.approx(plain.function.lv.edv_ml - lost_ml)
    assert not plain.changes and len(tidied.changes) == 1
    assert "does not tell" in plain.origin and not plain.checkpoint


def test_volumes_are_those_of_an_independent_implementation(real_data: Path) -> None:
    for path in sorted(real_data.glob("acdc/training/patient00*/*_gt.nii.gz"))[:8]:
        image = nib.load(path)
        mask = nib.Nifti1Image((np.asarray(image.dataobj) == 3).astype(np.uint8), image.affine, image.header)
        choices = FunctionChoices(phases={Phase.ED: 0}, rule=SliceRule.AS_DRAWN)
        found = measure_function([path], choices=choices, numbering=NUMBERINGS["acdc"]).function
        assert found.value("LV", "EDV") == pytest.approx(mask_volume(mask) / 1000, rel=1e-3)
