"""How well quality flags find bad segmentations: runs segment subjects that they did not train on.

A volume (subject and phase) is bad if its mean 3D Dice over LV, MYO and RV is below 0.80. The table has the
share of bad and of good volumes that carry a flag, and the share of references that do. ``--pool --fit`` fits
the weights of `cmr_ssp.function.estimate` to subjects of the pool; without ``--pool``, the test subjects of
the split are used, for the one measurement at the end.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import dice
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.function import Flag, FlagCode, Gravity, Judged, find_flags, measure_shapes, tidy
from cmr_ssp.function.estimate import ENOUGH_DICE, SIGNS, estimated_dice, signs
from cmr_ssp.prediction import Segmenter, load_segmenter, segment_stack
from cmr_ssp.runs import Run
from cmr_ssp.subjects import ResolvedSubject, Role, Split
from cmr_ssp.subjects.split_file import read_split

ALL = frozenset(Structure)
RIDGE = 5.0
NEAR = 0.12
"""Volumes within about this distance of the limit decide the fit; what is 0.3 or 0.4 does not matter."""


@dataclass(frozen=True)
class Volume:
    """One phase of one subject, segmented by one run."""

    run: str
    dice: float
    tidied: float
    still_wrong: bool
    estimate: float
    signs: np.ndarray
    flags: tuple[Flag, ...]

    @property
    def is_bad(self) -> bool:
        return self.dice < ENOUGH_DICE


def segmented(run: Path, segmenter: Segmenter, subject: ResolvedSubject) -> Iterator[Volume]:
    """Segment the labelled phases of a subject and judge them."""
    stack = open_stack(subject)
    references = {phase: read_segmentation(subject, phase) for phase in Phase}
    with stack.frames() as pixels:
        found = segment_stack(segmenter.network, pixels, stack.grid.spacing_mm[1:], segmenter.recipe)
    facts = measure_shapes(found.labels, stack.grid.spacing_mm)
    judged = Judged.of(facts, [ALL] * len(found.labels), stack.grid.slice_order)
    flags = find_flags(judged, found.certainty)
    estimates = estimated_dice(judged, found.certainty)
    tidied = tidy(found.labels, stack.grid.spacing_mm).labels
    left = find_flags(Judged.of(measure_shapes(tidied, stack.grid.spacing_mm), [ALL] * len(tidied))).frames
    wrong = {flag.frame for flag in left if flag.gravity is Gravity.WRONG}
    values = signs(judged, found.certainty) if judged.phases else np.zeros((len(found.labels), len(SIGNS)))
    for reference in references.values():
        k = reference.frame
        before, after = (mean_dice(labels[k], reference.labels) for labels in (found.labels, tidied))
        yield Volume(run.name, before, after, k in wrong, float(estimates[k]), values[k], flags.of_frame(k))


def mean_dice(labels: np.ndarray, reference: np.ndarray) -> float:
    return float(np.mean([dice(labels, reference, structure) for structure in Structure]))


def run_volumes(run: Path, subjects: Iterable[ResolvedSubject]) -> list[Volume]:
    """Segment the subjects that a run was not trained on."""
    segmenter = load_segmenter(Run(run).last, torch.device("cpu"))
    known = {*segmenter.provenance.training, *segmenter.provenance.validation}
    others = [subject for subject in subjects if subject.id not in known]
    return [volume for subject in others for volume in segmented(run, segmenter, subject)]


def print_table(volumes: Sequence[Volume]) -> None:
    """Print what share of bad and of good volumes is flagged, for each run and together."""
    kinds = {
        "unsure": lambda volume: any(flag.code is FlagCode.UNSURE for flag in volume.flags),
        "wrong": lambda volume: any(flag.gravity is Gravity.WRONG for flag in volume.flags),
        "wrong after tidying": lambda volume: volume.still_wrong,
    }
    print(
        "| run | volumes | mean Dice | after tidying | bad | " + " | ".join(f"{k}: bad, good" for k in kinds)
    )
    for name in [*dict.fromkeys(volume.run for volume in volumes), "all"]:
        here = [volume for volume in volumes if name in (volume.run, "all")]
        cells = []
        for counts in kinds.values():
            shares = [
                share(counts(volume) for volume in here if volume.is_bad is bad) for bad in (True, False)
            ]
            cells.append(", ".join(shares))
        means = [f"{np.mean([getattr(v, which) for v in here]):.3f}" for which in ("dice", "tidied")]
        n_bad = sum(volume.is_bad for volume in here)
        print("|", " | ".join([name, str(len(here)), *means, str(n_bad), *cells]), "|")


def share(flagged: Iterable[bool]) -> str:
    values = list(flagged)
    return f"{np.mean(values):.0%} ({sum(values)}/{len(values)})" if values else "none"


def print_references(subjects: Iterable[ResolvedSubject]) -> None:
    """Print how many volumes drawn by observers carry a flag, and which."""
    codes, n_volumes, n_any, n_wrong, n_cine = Counter[str](), 0, 0, 0, 0
    for subject in subjects:
        labels = np.stack([read_segmentation(subject, phase).labels for phase in Phase])
        grid = open_stack(subject).grid
        flags = find_flags(Judged.of(measure_shapes(labels, grid.spacing_mm), slice_order=grid.slice_order))
        for frame in range(len(labels)):
            here = [flag for flag in flags.frames if flag.frame == frame]
            codes.update({f"{flag.code} {flag.structure.name if flag.structure else ''}" for flag in here})
            n_volumes += 1
            n_any += bool(here)
            n_wrong += any(flag.gravity is Gravity.WRONG for flag in here)
        n_cine += bool(flags.cine)
    print(f"references: of {n_volumes} volumes {n_any} have a flag, {n_wrong} one that is wrong")
    print(f"references: {n_cine} of {n_volumes // 2} cines have a flag of the cine; {dict(codes)}")


def fit(volumes: Sequence[Volume]) -> None:
    """Print weights and intercept of a ridge regression of Dice, weighted to the limit."""
    values = np.array([volume.signs for volume in volumes])
    target = np.maximum([volume.dice for volume in volumes], 0.5)
    near = np.exp(-(((target - ENOUGH_DICE) / NEAR) ** 2)) + 0.1
    mean, sd = values.mean(axis=0), values.std(axis=0)
    columns = np.column_stack([(values - mean) / sd, np.ones(len(values))])
    penalty = np.diag([RIDGE] * len(mean) + [0.0])
    solved = np.linalg.solve(columns.T @ (columns * near[:, None]) + penalty, columns.T @ (near * target))
    weights = solved[:-1] / sd
    intercept = solved[-1] - weights @ mean
    for name, weight in zip(SIGNS, weights, strict=True):
        print(f"{weight:+.4f}  {name}")
    print(f"{intercept:+.4f}  intercept")
    estimates = values @ weights + intercept
    is_bad = np.array([volume.is_bad for volume in volumes])
    for limit in np.arange(0.76, 0.86, 0.01):
        low = estimates < limit
        print(f"limit {limit:.2f}: bad {low[is_bad].mean():.0%}, good {low[~is_bad].mean():.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path, help="a folder with ED and ES labels")
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--pool", action="store_true", help="training subjects instead of test subjects")
    parser.add_argument("--fit", action="store_true", help="fit the estimate")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    split: Split = read_split(chosen.split)
    role = Role.TRAIN if chosen.pool else Role.TEST
    cohort = open_cohort(chosen.cohort)
    subjects = [resolve_subject(subject) for subject in cohort.subjects if split.role(subject.id) is role]
    print_references(subjects)
    volumes = [volume for run in chosen.runs for volume in run_volumes(run, subjects)]
    if volumes:
        print_table(volumes)
    if chosen.fit:
        fit(volumes)


if __name__ == "__main__":
    main()
