"""A disc that shrinks and moves over bright tissue, and the Sunnybrook cines."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.editing.propagation import propagated
from cmr_ssp.editing.shapes import swept_disc
from cmr_ssp.errors import OutputError
from cmr_ssp.events import Cancel
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from scipy import ndimage

SHAPE, SPACING = (90, 100), (1.5, 1.5)


def disc(radius_mm: float, centre: tuple[float, float]) -> np.ndarray:
    return swept_disc(SHAPE, centre, centre, radius_mm, SPACING)


def beat() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a cine of three frames and the cavity in each."""
    cavities = [disc(24 - 3 * t, (44 + t, 50)) for t in range(3)]
    frames = [ndimage.gaussian_filter(100 + 300.0 * cavity, 1.0) for cavity in cavities]
    return np.stack(frames).astype(np.float32), cavities


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_contours_follow_the_heart() -> None:
    cine, cavities = beat()
    labels = np.where(cavities[0], np.uint8(Structure.LV), np.uint8(0))
    done: list[int] = []
    found = propagated(cine, labels, 0, [1, 2], SPACING, on_done=done.append)
    assert done == [1, 2] == sorted(found)
    for t in (1, 2):
        moved = found[t] == Structure.LV
        assert dice(moved, cavities[t]) > 0.96 > dice(cavities[0], cavities[2])
    assert np.array_equal(labels == Structure.LV, cavities[0])


def test_nothing_drawn_and_cancelled_give_nothing() -> None:
    cine, cavities = beat()
    assert propagated(cine, np.zeros(SHAPE, np.uint8), 0, [1], SPACING) == {}
    cancel = Cancel()
    cancel.request()
    assert propagated(cine, cavities[0].astype(np.uint8), 0, [1], SPACING, cancel=cancel) == {}


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.registration", None)
    with pytest.raises(OutputError, match="scikit-image"):
        propagated(*beat()[:1], np.ones(SHAPE, np.uint8), 0, [1], SPACING)


@pytest.mark.parametrize(("subject_id", "least"), [("SCD0000301", 0.94), ("SCD0000401", 0.92)])
def test_sunnybrook_ed_contours_fit_es(real_data: Path, subject_id: str, least: float) -> None:
    subject = resolve_subject(open_cohort(real_data / "sunnybrook").subject(subject_id))
    stack = open_stack(subject)
    cine, (_, *in_plane) = stack.load(), stack.grid.spacing_mm
    ed, es = (read_segmentation(subject, phase) for phase in Phase)
    found = np.zeros_like(es.labels)
    for k, plane in enumerate(ed.labels):
        cavity = np.where(plane == Structure.LV, plane, np.uint8(0))
        moved = propagated(cine[:, k], cavity, ed.frame, [es.frame], tuple(in_plane))
        found[k] = moved.get(es.frame, 0)
    assert dice(found == Structure.LV, es.labels == Structure.LV) > least
