"""Tables that the paper does not have: surface distances, failures, volumes, and paired comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cmr_ssp.anatomy import Structure
from cmr_ssp.evaluation import mean_hd95_mm
from cmr_ssp.experiments.arms import SCRATCH, Arm
from cmr_ssp.experiments.results import Results, Trained, lengths
from cmr_ssp.experiments.statistics import (
    FAILURE,
    bootstrap_interval,
    failure_percent,
    holm,
    paired_test,
    spread,
    subject_dice,
)
from cmr_ssp.experiments.table_formats import Table, Value
from cmr_ssp.function.comparing import Quantity

_SHOWN = [q for q in Quantity if not q.endswith(" SV")]
_ARM = ("labelled subjects", "updates", "pretraining", "trained on")


def distances(found: Results) -> Table | None:
    """HD95 of each structure in mm, and failures."""
    rows = []
    for arm, trained in found.arms.items():
        hd95 = [spread((mean_hd95_mm(t.scores, [s]) for t in trained), 1) for s in Structure]
        failed = spread((failure_percent(t.scores) for t in trained), 1)
        rows.append((*_named(found, arm), *hd95, failed))
    columns = (*_ARM, *(f"HD95 {s.name} (mm)" for s in Structure), "failures (%)")
    notes = (
        "Mean ± sample standard deviation over seeds. HD95 only where the spacing is known and neither "
        "segmentation nor reference lacks the structure.",
        f"A failure is a structure of one subject at one phase with a Dice below {FAILURE}.",
    )
    title = "Surface distances and failures, all trainings"
    return Table("distances-and-failures", title, columns, tuple(rows), notes)


def volumes(found: Results) -> Table | None:
    """Mean absolute error of volumes, mass and EF; None if no run has them."""
    rows: list[tuple[Value, ...]] = []
    for arm, trained in found.arms.items():
        errors = [spread((_absolute_error(t, quantity) for t in trained), 1) for quantity in _SHOWN]
        if any(error is not None for error in errors):
            rows.append((*_named(found, arm), *errors))
    columns = (*_ARM, *(f"{quantity} ({quantity.unit})" for quantity in _SHOWN))
    notes = (
        "Mean absolute difference from the reference over test subjects, ± sample standard deviation over "
        "seeds. Subjects are left out where the spacing is unknown, a phase has no reference, "
        "or the segmentation lacks the structure.",
    )
    title = "Errors of volumes, mass and EF, all trainings"
    return Table("volume-errors", title, columns, tuple(rows), notes) if rows else None


def _absolute_error(trained: Trained, quantity: Quantity) -> float | None:
    known = [
        abs(row.predicted - row.reference)
        for row in trained.comparisons
        if row.quantity is quantity and row.predicted is not None
    ]
    return float(np.mean(known)) if known else None


def comparisons(found: Results) -> Table | None:
    """Paired tests of each pretraining against training from scratch with as many labelled subjects."""
    arms = list(found.arms)
    pairs = [(arm, other) for arm in arms for other in _opponents(arm, arms)]
    dice = [_paired_dice(found.arms[arm], found.arms[other]) for arm, other in pairs]
    tests = [paired_test(own, others) for own, others, _ in dice]
    kept = [each for each in zip(pairs, dice, tests, strict=True) if each[2] is not None]
    adjusted = holm([test.p for *_, test in kept if test is not None])
    rows: list[tuple[Value, ...]] = []
    for ((arm, other), (own, _, seeds), test), p in zip(kept, adjusted, strict=True):
        if test is not None:
            values = list(own.values())
            mean = f"{np.mean(values):.3f} ({_interval(bootstrap_interval(values))})"
            gain = f"{test.difference:+.3f} ({_interval(test.interval, '+')})"
            numbers = (mean, gain, f"{test.effect:+.2f}", _p(test.p), _p(p))
            rows.append((*_named(found, arm), other.name, seeds, test.n, *numbers))
    columns = ("against", "seeds", "n", "Dice (95 %)", "difference (95 %)", "effect", "p", "p (Holm)")
    notes = (
        "Dice of each test subject, averaged over structures, phases and the training seeds that both have; "
        "n subjects. 95 % intervals: bootstrap over subjects. They do not contain the variation between "
        "trainings.",
        "Effect: rank-biserial correlation, -1 to 1. p: Wilcoxon's signed-rank test, two-sided; Holm's "
        f"correction for the {len(rows)} tests of this table.",
    )
    title = "Each pretraining against training from scratch"
    return Table("comparisons", title, (*_ARM, *columns), tuple(rows), notes) if rows else None


def _paired_dice(
    own: Sequence[Trained], others: Sequence[Trained]
) -> tuple[dict[str, float], dict[str, float], int]:
    """Return the Dice of each subject on both sides, over the training seeds of both, and their number."""
    both = {each.cell.seeds.get("training") for each in own}
    both &= {each.cell.seeds.get("training") for each in others}
    sides = ([t.scores for t in side if t.cell.seeds.get("training") in both] for side in (own, others))
    first, second = map(subject_dice, sides)
    return first, second, len(both)


def _opponents(arm: Arm, arms: Sequence[Arm]) -> list[Arm]:
    """Return the trainings from scratch with the same labels, as many updates or as a control."""
    if arm.method == SCRATCH:
        return []
    labels = _labels(arm)
    return [
        other
        for other in arms
        if other.method == SCRATCH
        and _labels(other) == labels
        and other.updates == arm.updates
        and other.like in ("", arm.method)
    ]


def _labels(arm: Arm) -> tuple[object, ...]:
    """Return what the two sides of a comparison have in common."""
    return arm.n_labelled, arm.phases, arm.vendors, arm.augmentation, arm.split


def _named(found: Results, arm: Arm) -> tuple[Value, ...]:
    parts = ["+".join(arm.phases), "+".join(arm.vendors), "" if arm.augmentation else "no augmentation"]
    trained_on = ", ".join(part for part in parts if part)
    return arm.budget, lengths(found.arms[arm]), arm.name, trained_on


def _interval(ends: tuple[float, float], sign: str = "") -> str:
    return " to ".join(f"{end:{sign}.3f}" for end in ends)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
