"""Surface distances: against MONAI on patients' labels, by hand, and in the tables of scores."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import (
    ResultMetadata,
    SubjectRole,
    mean_hd95_mm,
    read_scores,
    score_segmentation,
    scores_csv,
    surface_distance,
)
from cmr_ssp.evaluation.scores import DISTANCE_COLUMNS, SCORE_COLUMNS
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.subjects import Segmentation
from scipy import ndimage

SPACING_MM = (10.0, 1.5, 1.25)


def block(first_row: int, slices: slice = slice(1, 3)) -> np.ndarray:
    labels = np.zeros((4, 30, 30), np.uint8)
    labels[slices, first_row : first_row + 10, 5:15] = Structure.LV
    return labels


def test_equal_volumes_have_no_distance_and_a_missing_one_has_none() -> None:
    distance = surface_distance(block(5), block(5), Structure.LV, SPACING_MM)
    assert distance is not None and (distance.hd95_mm, distance.assd_mm) == (0, 0)
    both = surface_distance(block(5), block(5), Structure.RV, SPACING_MM)
    assert both is not None and both.hd95_mm == 0
    nothing = np.zeros((4, 30, 30), np.uint8)
    assert surface_distance(nothing, block(5), Structure.LV, SPACING_MM) is None
    assert surface_distance(block(5), nothing, Structure.LV, SPACING_MM) is None


def test_the_distance_counts_millimetres_along_each_axis() -> None:
    one = np.zeros((4, 30, 30), np.uint8)
    one[1, 10, 10] = Structure.LV
    for axis, mm in enumerate(SPACING_MM):
        other = np.roll(one, 1, axis)
        distance = surface_distance(other, one, Structure.LV, SPACING_MM)
        assert distance is not None
        assert distance.hd95_mm == pytest.approx(mm) and distance.assd_mm == pytest.approx(mm)


def moved(labels: np.ndarray) -> np.ndarray:
    """Return labels as a network draws them: moved and rounded off."""
    shifted = np.roll(labels, (2, -1), (1, 2))
    return np.where(ndimage.binary_erosion(shifted > 0, np.ones((1, 3, 3))), shifted, 0).astype(np.uint8)


@pytest.mark.parametrize("subject_id", ["patient003", "patient041", "patient089"])
def test_agrees_with_monai_on_real_labels_and_is_fast(real_data: Path, subject_id: str) -> None:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    subject = resolve_subject(open_cohort(real_data / "acdc").subject(subject_id))
    spacing_mm = open_stack(subject).grid.spacing_mm
    pairs = [(moved(drawn), drawn) for drawn in (read_segmentation(subject, p).labels for p in Phase)]
    begin = time.perf_counter()
    ours = {(n, s): surface_distance(*pair, s, spacing_mm) for n, pair in enumerate(pairs) for s in Structure}
    assert time.perf_counter() - begin < 1.5  # 0.3 s where nothing else runs
    for (n, structure), distance in ours.items():
        found, drawn = (torch.from_numpy(volume == structure)[None, None] for volume in pairs[n])
        monai = {"include_background": True, "spacing": spacing_mm}
        assert distance is not None and distance.hd95_mm > 1
        expected = compute_hausdorff_distance(found, drawn, percentile=95, **monai)
        assert distance.hd95_mm == pytest.approx(float(expected), abs=0.01)
        expected = compute_average_surface_distance(found, drawn, symmetric=True, **monai)
        assert distance.assd_mm == pytest.approx(float(expected), abs=0.01)


def test_scores_have_distances_where_the_spacing_is_known(tmp_path: Path) -> None:
    reference, arguments = Segmentation.of(block(5), 0), ("a", Phase.ED, SubjectRole.TEST)
    known = ResultMetadata.of(SPACING_MM, "c" * 64)
    scores = score_segmentation(block(6), reference, *arguments, known)
    assert [s.hd95_mm for s in scores] == [pytest.approx(1.5), None, None]
    assert mean_hd95_mm(scores) == pytest.approx(1.5)
    assert score_segmentation(block(6), reference, *arguments)[0].hd95_mm is None
    missed = score_segmentation(np.zeros_like(block(5)), reference, *arguments, known)
    assert missed[0].dice == 0 and missed[0].hd95_mm is None and mean_hd95_mm(missed) is None

    path = tmp_path / "scores.csv"
    path.write_text(scores_csv(scores))
    read = read_scores(path)
    assert read[0].hd95_mm == 1.5 and read[0].metadata == known
    assert read[0].assd_mm == pytest.approx(scores[0].assd_mm, abs=0.001)
    path.write_text(path.read_text().replace("1.500", "-1.500"))
    with pytest.raises(Exception, match=r"scores\.csv.*a distance of -1\.5"):
        read_scores(path)


def test_tables_from_before_distances_are_read(tmp_path: Path) -> None:
    columns = [column for column in SCORE_COLUMNS if column not in DISTANCE_COLUMNS]
    path = tmp_path / "scores.csv"
    path.write_text(",".join(columns) + "\na,ED,LV,0.5000,test,8,1.5,1.25,c,r,p\n")
    (score,) = read_scores(path)
    assert score.hd95_mm is None and score.dice == 0.5
    assert score.metadata == ResultMetadata((8, 1.5, 1.25), "c", "r", "p")
