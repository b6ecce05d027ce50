"""Wall thickness and thickening per group of ACDC, from its references; errors on rings; milliseconds.

ACDC's files do not know the patient's orientation: their slices are taken as base first and seen from the
apex, as they are. The rings have random centres; their thickness is known. What is timed is a slice
measured again after an edit, with all segments.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from cmr_ssp import open_cohort, open_stack, read_segmentation
from cmr_ssp.function.aha import aha_model, mean_value, segment_thickening, segment_thickness
from cmr_ssp.function.segments import Orientation
from cmr_ssp.function.walls import slice_wall, stack_walls
from cmr_ssp.subjects import Subject
from common import verdict

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from ring_helpers import ring, stack_of_rings

PIXELS_MM = [(1.0, 1.0), (1.4, 1.4), (1.0, 2.0), (1.8, 1.2)]
RADII_MM = [(25.0, 33.0), (20.0, 32.0), (30.0, 36.0), (25.0, 29.0), (8.0, 14.0)]
SLICE_MS, STACK_S, RING_MM = 50.0, 2.0, 0.1


def measure(subject: Subject) -> tuple[float, float, float, float, int, float]:
    """Return mean and thickest segment at ED (mm), mean and least thickening (%), n/a, seconds."""
    volumes = [read_segmentation(subject, phase).labels for phase in ("ED", "ES")]
    spacing_mm, labels = open_stack(subject).spacing_mm, np.stack(volumes)
    began = time.perf_counter()
    walls = stack_walls(labels, spacing_mm)
    model = aha_model(walls, 0, Orientation())
    thickness, gains = segment_thickness(walls, model, 0), segment_thickening(walls, model, 1)
    seconds = time.perf_counter() - began
    mean, gain = mean_value(thickness), mean_value(gains)
    assert mean is not None and gain is not None
    largest = max(each.value for each in thickness if each.value is not None)
    weakest = min(each.value for each in gains if each.value is not None)
    missing = sum(each.value is None for each in gains if each.segment <= 16)
    return mean, largest, gain, weakest, missing, seconds


def table(folder: Path) -> list[float]:
    """Print one row per group, and return the seconds of each subject."""
    groups = defaultdict(list)
    for subject in open_cohort(folder).subjects:
        groups[subject.group or "all"].append(measure(subject))
    columns = (
        "group",
        "subjects",
        "mean (mm)",
        "thickest segment (mm)",
        "thickening (%)",
        "weakest segment (%)",
        "n/a",
    )
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|---|")
    for group, found in sorted(groups.items()):
        means, spreads = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
        cells = [f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(means[:2], spreads[:2], strict=True)]
        cells += [f"{mean:.0f} ± {sd:.0f}" for mean, sd in zip(means[2:4], spreads[2:4], strict=True)]
        missing = sum(int(each[4]) for each in found)
        print(f"| {group} | {len(found)} | {' | '.join(cells)} | {missing} of {16 * len(found)} |")
    return [each[-1] for found in groups.values() for each in found]


def rings(n_centres: int) -> list[float]:
    """Print the errors on rings per pixel size, and return the bias of each ring."""
    rng, biases = np.random.default_rng(0), []
    for spacing_mm in PIXELS_MM:
        slices, segments = [], []
        for inner, outer in RADII_MM:
            errors = []
            for _ in range(n_centres):
                centre = tuple(rng.uniform(-20, 20, 2))
                wall = slice_wall(ring(spacing_mm, inner, outer, centre_mm=centre), spacing_mm)
                assert wall is not None
                errors.append(wall.thickness_mm - (outer - inner))
            biases.append(abs(float(np.mean(errors))))
            slices.append(np.mean(errors, axis=1))
            segments.append(np.reshape(errors, (n_centres, 6, -1)).mean(axis=2))
        sizes = " x ".join(f"{mm:g}" for mm in spacing_mm)
        spread = np.std(slices), np.std(segments)
        print(f"rings, pixels of {sizes} mm: SD {spread[0]:.3f} mm in slices, {spread[1]:.3f} mm in segments")
    return biases


def edit_ms(n: int) -> float:
    """Return the median time to re-measure one slice and all segments."""
    spacing_mm = (8.0, 1.4, 1.4)
    labels = stack_of_rings(n_frames=2, n_slices=11, spacing_mm=spacing_mm)
    labels = np.pad(labels, ((0, 0), (0, 0), (28, 28), (28, 28)))
    walls, times = stack_walls(labels, spacing_mm), []
    for _ in range(n):
        began = time.perf_counter()
        wall = slice_wall(labels[1, 5], spacing_mm[1:], 1, 5)
        assert wall is not None
        walls[1, 5] = wall
        segment_thickening(walls, aha_model(walls, 0, Orientation()), 1)
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="ACDC's training folder; without it, rings only")
    parser.add_argument("--quick", action="store_true", help="a few rings")
    chosen = parser.parse_args()
    biases = rings(5 if chosen.quick else 40)
    verdict("mm of bias, the worst of the rings", max(biases), RING_MM, at_most=True)
    verdict("ms for one slice and all segments", edit_ms(30), SLICE_MS, at_most=True)
    if chosen.folder:
        verdict("seconds for ED and ES of a subject", max(table(chosen.folder)), STACK_S, at_most=True)


if __name__ == "__main__":
    main()
