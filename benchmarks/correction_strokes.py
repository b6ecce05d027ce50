"""How many strokes a reader needs to correct a model's ED and ES: a simulated hand, on real references.

The reader looks where the model errs most and either draws one outline of one slice afresh, as the tool
*Draw* does, or clears it. Its hand follows the reference with a smooth error of half a millimetre. Each
is a stroke. It stops when the mean 3D Dice of LV, MYO and RV at ED and ES reaches the target. It always
knows the best next stroke, so people need more.

    python benchmarks/correction_strokes.py RUN COHORT
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cmr_ssp
import numpy as np
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.editing.contours import Contours, Place
from cmr_ssp.editing.outlines import Outline, Plane, Region, region_of, with_region
from cmr_ssp.editing.states import ContourStates
from cmr_ssp.files import open_stack
from cmr_ssp.files.contours.polygons import fill
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Role
from common import verdict
from scipy import ndimage
from skimage.measure import find_contours

HAND_MM, HAND_POINTS = 0.5, 9
"""Standard deviation of the hand's error, and after how many points of the outline it has forgotten it."""

AIM = 25


@dataclass(frozen=True, eq=False)
class Reader:
    """A hand that knows the reference of a volume per phase."""

    contours: Contours
    reference: np.ndarray
    spacing_mm: tuple[float, float]
    rng: np.random.Generator

    def dice(self) -> np.ndarray:
        """Return Dice, shape (phase, structure)."""
        return dice_of(*self.counts())

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return shared pixels and the sum of both volumes, shape (phase, structure)."""
        found, drawn = (
            [volumes == s for s in Structure] for volumes in (self.contours.labels, self.reference)
        )
        shared = [(f & d).sum(axis=(1, 2, 3)) for f, d in zip(found, drawn, strict=True)]
        total = [f.sum(axis=(1, 2, 3)) + d.sum(axis=(1, 2, 3)) for f, d in zip(found, drawn, strict=True)]
        return np.stack(shared, 1), np.stack(total, 1)

    def best_stroke(self, known: dict[Place, list[Plane]]) -> tuple[Place, Plane]:
        """Return the stroke that raises the mean Dice most."""
        shared, total = self.counts()
        best, gain = None, -np.inf
        for place in np.ndindex(self.contours.labels.shape[:2]):
            for plane in known.setdefault(place, list(self.strokes(place))):
                now = self.contours.labels[place]
                more, size = shared.copy(), total.copy()
                for column, s in enumerate(Structure):
                    drawn = self.reference[place] == s
                    more[place[0], column] += ((plane == s) & drawn).sum() - ((now == s) & drawn).sum()
                    size[place[0], column] += (plane == s).sum() - (now == s).sum()
                if dice_of(more, size).mean() > gain:
                    best, gain = (place, plane), dice_of(more, size).mean()
        assert best is not None
        return best

    def strokes(self, place: Place) -> Iterator[Plane]:
        """Yield what each outline of a slice would be after a stroke."""
        for outline in Outline:
            now, wanted = self.contours.labels[place], region_of(self.reference[place], outline)
            if not wanted.any() and not region_of(now, outline).any():
                continue
            yield with_region(now, outline, self.trace(wanted))

    def trace(self, region: Region) -> Region:
        """Return a region as a hand draws it."""
        drawn = np.zeros_like(region)
        for polygon in find_contours(np.pad(region, 1).astype(float), 0.5):
            points = polygon[:-1] - 1
            if len(points) < HAND_POINTS:
                continue
            error = ndimage.gaussian_filter1d(
                self.rng.normal(size=points.shape), HAND_POINTS / 2, axis=0, mode="wrap"
            )
            error *= HAND_MM / error.std() / np.array(self.spacing_mm)
            smooth = ndimage.gaussian_filter1d(points, 1.0, axis=0, mode="wrap")
            drawn |= fill((smooth + error)[:, ::-1], (region.shape[0], region.shape[1]))
        return drawn


def dice_of(shared: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return Dice; 1 where both volumes lack the structure."""
    return np.where(total > 0, 2 * shared / np.maximum(total, 1), 1.0)


def correct(reader: Reader, target: float) -> int:
    """Correct until the mean Dice reaches the target, or no stroke helps; return the strokes."""
    known: dict[Place, list[Plane]] = {}
    n_strokes, reached = 0, reader.dice().mean()
    while reached < target:
        place, plane = reader.best_stroke(known)
        reader.contours.change({place: plane})
        known.pop(place)
        if reader.dice().mean() <= reached:
            break
        n_strokes, reached = n_strokes + 1, reader.dice().mean()
    return n_strokes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--subjects", type=int, help="of the test subjects; by default all")
    chosen = parser.parse_args()
    cohort, split = cmr_ssp.open_cohort(chosen.cohort), Run(chosen.run).split()
    subjects = [each for each in cohort if split.role(each.id) is Role.TEST][: chosen.subjects]
    needed: list[int] = []
    for number, subject in enumerate(subjects):
        stack = open_stack(subject)
        references = [cmr_ssp.read_segmentation(subject, phase) for phase in Phase]
        found = cmr_ssp.segment(chosen.run, stack)[[reference.frame for reference in references]].copy()
        reader = Reader(
            Contours(found, ContourStates.of(found)),
            np.stack([reference.labels for reference in references]),
            stack.grid.spacing_mm[1:],
            np.random.default_rng(number),
        )
        before = reader.dice().mean()
        strokes = correct(reader, chosen.target)
        needed.append(strokes)
        print(f"{subject.id}: {before:.3f} -> {reader.dice().mean():.3f}, {strokes} strokes", flush=True)
    verdict("strokes, median", statistics.median(needed), AIM, at_most=True)


if __name__ == "__main__":
    main()
