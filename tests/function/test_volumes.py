from __future__ import annotations

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.function import find_ed_es, frame_volumes, volumes_csv

LV, MYO, RV = Structure
SPACING_MM = (10.0, 1.5, 2.0)
"""30 cubic millimetres a voxel."""


def labels(*lv_voxels: int) -> np.ndarray:
    """Return frames with the given numbers of LV voxels, and 100 of MYO if there is any LV."""
    volumes = np.zeros((len(lv_voxels), 4, 10, 20), np.uint8)
    for volume, n in zip(volumes, lv_voxels, strict=True):
        volume.reshape(-1)[:n] = LV
        volume.reshape(-1)[n : n + 100 * bool(n)] = MYO
    return volumes


def test_volumes_are_voxels_times_the_distances_of_their_centres() -> None:
    ed, es = frame_volumes(labels(200, 100), SPACING_MM, "ann")
    assert ed.ml == {LV: pytest.approx(6.0), MYO: pytest.approx(3.0), RV: None}
    assert es.ml[LV] == pytest.approx(3.0)
    assert (ed.phase, es.phase) == (Phase.ED, Phase.ES)


def test_drawn_and_empty_is_zero_and_not_drawn_is_not() -> None:
    (row,) = frame_volumes(labels(0), SPACING_MM, "ann", [frozenset({LV})])
    assert row.ml == {LV: 0.0, MYO: None, RV: None}
    assert row.phase is None


def test_the_table() -> None:
    rows = frame_volumes(labels(200, 0, 100), SPACING_MM, "ann", cine="c" * 64, checkpoint="p" * 64)
    whence = ",".join([*(f"{spacing:g}" for spacing in SPACING_MM), "c" * 16, "p" * 16])
    head = "subject,frame,phase,LV_ml,MYO_ml,RV_ml,spacing_slice_mm,spacing_row_mm,spacing_column_mm"
    assert volumes_csv(rows).splitlines() == [
        f"{head},cine,checkpoint",
        f"ann,0,ED,6.00,3.00,n/a,{whence}",
        f"ann,1,,n/a,n/a,n/a,{whence}",
        f"ann,2,ES,3.00,3.00,n/a,{whence}",
    ]


BEAT = [100.0, 95, 80, 60, 50, 45, 55, 75, 90, 98]


def test_ed_and_es_of_a_beat() -> None:
    assert find_ed_es(BEAT) == {Phase.ED: 0, Phase.ES: 5}
    turned = BEAT[7:] + BEAT[:7]
    assert find_ed_es(turned) == {Phase.ED: 3, Phase.ES: 8}


@pytest.mark.parametrize("failed", [0.0, None, 5.0, 15.0, 300.0])
def test_a_failed_frame_is_neither(failed: float | None) -> None:
    assert find_ed_es([*BEAT[:8], failed, *BEAT[8:]]) == {Phase.ED: 0, Phase.ES: 5}


@pytest.mark.parametrize("volumes", [[], [None], [80.0], [80.0, None], [80.0, 80.0], [80.0, 1.0]])
def test_no_phases_where_volumes_do_not_tell(volumes: list[float | None]) -> None:
    assert find_ed_es(volumes) == {}
