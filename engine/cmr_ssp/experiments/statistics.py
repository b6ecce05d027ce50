"""Statistics of scores: spread over seeds, and paired comparisons over subjects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, mean_dice

FAILURE = 0.7
"""A score below this Dice is a failure."""
LEVEL = 0.95
_REPETITIONS, _SEED = 10_000, 0


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation over seeds; `sd` is None for a single seed.

    `digits` and `sd_digits` are the numbers of decimals to show.
    """

    mean: float
    sd: float | None
    n: int
    digits: int = 3
    sd_digits: int = 3


def spread(values: Iterable[float | None], digits: int = 3) -> Spread | None:
    """Summarise the values of seeds, without those that are None; None if there are none."""
    known = np.array([value for value in values if value is not None], np.float64)
    if not known.size:
        return None
    sd = float(known.std(ddof=1)) if known.size > 1 else None
    return Spread(float(known.mean()), sd, known.size, digits, digits)


def subject_dice(
    runs: Sequence[Iterable[Score]],
    structures: Collection[Structure] = tuple(Structure),
    phases: Collection[Phase] = tuple(Phase),
) -> dict[str, float]:
    """Return the Dice of each subject: mean over structures and phases, then over runs (seeds).

    Subjects that not every run scored are left out, so that all of them are averaged over the same seeds.
    """
    found: dict[str, list[float]] = {}
    for run in runs:
        by_subject: dict[str, list[Score]] = {}
        for score in run:
            by_subject.setdefault(score.subject, []).append(score)
        for subject, scores in by_subject.items():
            if (value := mean_dice(scores, structures, phases)) is not None:
                found.setdefault(subject, []).append(value)
    return {s: float(np.mean(values)) for s, values in sorted(found.items()) if len(values) == len(runs)}


def failure_percent(scores: Iterable[Score]) -> float | None:
    """Return the percentage of scores with a Dice below `FAILURE`; None if no score has a Dice."""
    known = [score.dice for score in scores if score.dice is not None]
    return 100 * sum(value < FAILURE for value in known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Comparison of the same subjects under two conditions, the first minus the second.

    Attributes
    ----------
    n : int
        Subjects with both values.
    difference : float
        Mean of the differences.
    interval : tuple of float
        Its 95 % interval, from a bootstrap over subjects.
    effect : float
        Matched-pairs rank-biserial correlation, -1 to 1; 1 if the first is better in all subjects.
    p : float
        Two-sided p value of Wilcoxon's signed-rank test; 1 if all values are equal.
    """

    n: int
    difference: float
    interval: tuple[float, float]
    effect: float
    p: float


def paired_test(first: Mapping[str, float], second: Mapping[str, float]) -> PairedTest | None:
    """Compare the values of the subjects that both have; None if they have none in common."""
    subjects = sorted(first.keys() & second.keys())
    if not subjects:
        return None
    # means of the same scores in another order differ in the last bits, which must not become ranks
    differences = np.round([first[subject] - second[subject] for subject in subjects], 12)
    p = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
    mean, interval = float(differences.mean()), bootstrap_interval(differences)
    return PairedTest(len(subjects), mean, interval, rank_biserial(differences), p)


def rank_biserial(differences: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the matched-pairs rank-biserial correlation: (R+ - R-) / (R+ + R-), without zero differences."""
    values = np.asarray(differences, np.float64)
    values = values[values != 0]
    if not values.size:
        return 0.0
    ranks = stats.rankdata(np.abs(values))
    return float((ranks * np.sign(values)).sum() / ranks.sum())


def bootstrap_interval(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean, from 10 000 resamples with a fixed seed.

    `values` has one value per subject, at least one.
    """
    known = np.asarray(values, np.float64)
    drawn = np.random.default_rng(_SEED).integers(known.size, size=(_REPETITIONS, known.size))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(known[drawn].mean(axis=1), [tail, 100 - tail])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values, in the order given."""
    n, adjusted, largest = len(p_values), [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(n), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (n - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
