from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.samples.heart import find_heart
from cmr_ssp.samples.standardise import standardise
from cmr_ssp.subjects import Subject

SPACING_MM = (1.5, 1.25)
SHAPE = (150, 160)


def beating(
    centre_mm: tuple[float, float], n_frames: int = 10, noise: float = 5.0, amplitude_mm: float = 7.0
) -> np.ndarray:
    """Return a cine of a bright disc that contracts once a beat, beside still organs."""
    rng = np.random.default_rng(0)
    rows, columns = (np.arange(n) * mm for n, mm in zip(SHAPE, SPACING_MM, strict=True))
    still = 80 + 60 * np.sin(rows[:, None] / 17) * np.cos(columns[None, :] / 23)
    distance = np.hypot(rows[:, None] - centre_mm[0], columns[None, :] - centre_mm[1])
    cine = np.empty((n_frames, 3, *SHAPE), np.float32)
    for frame, slice_ in np.ndindex(n_frames, 3):
        radius = 27 + amplitude_mm * np.cos(2 * np.pi * frame / n_frames)
        disc = np.clip((radius - distance) / 2 + 0.5, 0, 1)
        cine[frame, slice_] = still + 250 * disc + noise * rng.standard_normal(SHAPE)
    return cine


@pytest.mark.parametrize("n_frames", [2, 10])
@pytest.mark.parametrize("centre_mm", [(100.0, 80.0), (150.0, 130.0), (80.0, 60.0)])
def test_a_beating_disc_is_found_off_centre(centre_mm: tuple[float, float], n_frames: int) -> None:
    heart = find_heart(beating(centre_mm, n_frames), SPACING_MM)
    error = np.hypot(heart.row * SPACING_MM[0] - centre_mm[0], heart.column * SPACING_MM[1] - centre_mm[1])
    assert error < 4.0
    assert heart.sure


def test_scale_offset_and_starting_frame_play_no_part() -> None:
    cine = beating((120.0, 75.0))
    first = find_heart(cine, SPACING_MM)
    for other in (cine * 40 + 7, np.roll(cine, 4, axis=0)):
        again = find_heart(other.astype(np.float32), SPACING_MM)
        assert (again.row, again.column) == pytest.approx((first.row, first.column), abs=0.3)


def test_a_flipped_cine_has_its_heart_on_the_other_side() -> None:
    cine = beating((120.0, 75.0))
    first, mirrored = find_heart(cine, SPACING_MM), find_heart(cine[..., ::-1].copy(), SPACING_MM)
    assert mirrored.row == pytest.approx(first.row, abs=1)
    assert mirrored.column == pytest.approx(SHAPE[1] - 1 - first.column, abs=1)


@pytest.mark.parametrize("n_frames", [1, 5])
def test_without_motion_it_is_the_middle_and_unsure(n_frames: int) -> None:
    still = np.repeat(beating((60.0, 60.0), 2, noise=0.0)[:1], n_frames, axis=0)
    heart = find_heart(still, SPACING_MM)
    assert (heart.row, heart.column) == pytest.approx((74.5, 79.5))
    assert not heart.sure


def test_noise_alone_is_unsure() -> None:
    heart = find_heart(beating((60.0, 60.0), amplitude_mm=0.0), SPACING_MM)
    assert not heart.sure


def test_a_tiny_cine_is_no_obstacle() -> None:
    heart = find_heart(np.random.default_rng(0).random((2, 1, 3, 2)).astype(np.float32), (10.0, 0.3))
    assert np.isfinite([heart.row, heart.column]).all()


def smallest_circle_centre(points: np.ndarray) -> np.ndarray:
    """Return the centre of the smallest circle around points, by steps towards the farthest one."""
    centre = points.mean(axis=0)
    for step in range(1, 400):
        farthest = points[((points - centre) ** 2).sum(axis=1).argmax()]
        centre += (farthest - centre) / (step + 1)
    return centre


def distance_mm(subject: Subject) -> float:
    """Return how far the heart found lies from the middle of everything drawn at ED and ES."""
    stack = open_stack(subject)
    cine = standardise(stack.load())
    spacing = stack.grid.spacing_mm[1:]
    heart = find_heart(cine.levels, spacing)
    resolved = resolve_subject(subject)
    labelled = np.any([read_segmentation(resolved, phase).labels.any(axis=0) for phase in Phase], axis=0)
    outline = labelled & ~(np.roll(labelled, 1, 0) & np.roll(labelled, -1, 0))
    drawn = smallest_circle_centre(np.argwhere(outline) * spacing)
    found = np.array([heart.row + cine.top, heart.column + cine.left]) * spacing
    return float(np.hypot(*(found - drawn)))


@pytest.mark.parametrize(
    ("folder", "n_subjects", "median_mm", "tenth_mm"),
    [("acdc", 50, 13.0, 27.0), ("mnms_vendors", 80, 10.0, 16.0)],
)
def test_the_labelled_heart_of_patients_is_near(
    real_data: Path, folder: str, n_subjects: int, median_mm: float, tenth_mm: float
) -> None:
    """At the median and for nine subjects in ten."""
    distances = [distance_mm(subject) for subject in open_cohort(real_data / folder).subjects]
    assert len(distances) == n_subjects
    assert np.median(distances) <= median_mm
    assert np.percentile(distances, 90) <= tenth_mm


def test_whole_cines_of_patients_have_a_sure_heart(real_data: Path) -> None:
    """All frames of ACDC: in 48 of 50 subjects the motion is clear enough."""
    sure = 0
    for subject in open_cohort(real_data / "acdc_cines").subjects:
        stack = open_stack(subject)
        sure += find_heart(standardise(stack.load()).levels, stack.grid.spacing_mm[1:]).sure
    assert sure >= 45
