"""What observers drew carries almost no quality flag, and post-processing hardly changes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.function import Gravity, Judged, find_flags, measure_shapes, tidy


@pytest.mark.parametrize(
    ("folder", "most_wrong", "most_flagged"),
    [("acdc", 0.10, 0.25), ("mnms", 0.10, 0.40), ("sunnybrook", 0.25, 0.25)],
)
def test_references_are_hardly_flagged(
    real_data: Path, folder: str, most_wrong: float, most_flagged: float
) -> None:
    wrong, flagged, n_changed, n_drawn = [], [], 0, 0
    for listed in open_cohort(real_data / folder).subjects:
        subject = resolve_subject(listed)
        grid = open_stack(subject).grid
        drawings = [read_segmentation(subject, phase) for phase in subject.phases]
        labels = np.stack([drawing.labels for drawing in drawings])
        drawn = [drawing.drawn for drawing in drawings]
        judged = Judged.of(measure_shapes(labels, grid.spacing_mm), drawn, grid.slice_order)
        found = find_flags(judged)
        assert all(flag.structure in drawn[flag.frame] for flag in found.frames if flag.structure)
        for frame in range(len(labels)):
            here = [flag for flag in found.frames if flag.frame == frame]
            flagged.append(bool(here))
            wrong.append(any(flag.gravity is Gravity.WRONG for flag in here))
        n_changed += sum(change.pixels for change in tidy(labels, grid.spacing_mm).changes)
        n_drawn += int((labels > 0).sum())
    assert np.mean(wrong) <= most_wrong
    assert np.mean(flagged) <= most_flagged
    assert n_changed < 0.003 * n_drawn
