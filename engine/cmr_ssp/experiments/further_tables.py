"""Tables that the paper does not have: surface distances, failures, volumes, and paired comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cmr_ssp.anatomy import Structure
from cmr_ssp.evaluation import mean_hd95_mm
from cmr_ssp.experiments.arms import SCRATCH, Arm
from cmr_ssp.experiments.results import Results, Trained
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
        rows.append((*_named(arm), *hd95, failed))
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
            rows.append((*_named(arm), *errors))
    columns = (*_ARM, *(f"{quantity} ({quantity.unit})" for quantity in _SHOWN))
    notes = (
        "Mean absolute difference from the reference over test subjects, ± sample standard deviation over "
        "seeds. Subjects are left out where the spacing is unknown or a phase has no reference.",
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
    dice = {arm: subject_dice([t.scores for t in trained]) for arm, trained in found.arms.items()}
    arms = list(found.arms)
    pairs = [(arm, other) for arm in arms for other in _opponents(arm, arms)]
    tests = [(*pair, test) for pair in pairs if (test := paired_test(dice[pair[0]], dice[pair[1]]))]
    if not tests:
        return None
    adjusted = holm([test.p for *_, test in tests])
    rows = []
    for (arm, other, test), p in zip(tests, adjusted, strict=True):
        mean = float(np.mean(list(dice[arm].values())))
        own = f"{mean:.3f} ({_interval(bootstrap_interval(list(dice[arm].values())))})"
        gain = f"{test.difference:+.3f} ({_interval(test.interval, '+')})"
        numbers = (own, gain, f"{test.effect:+.2f}", _p(test.p), _p(p))
        rows.append((*_named(arm), other.name, test.n, *numbers))
    columns = (*_ARM, "against", "n", "Dice (95 %)", "difference (95 %)", "effect", "p", "p (Holm)")
    notes = (
        "Dice of each test subject, averaged over structures, phases and seeds; n subjects. 95 % intervals: "
        "bootstrap over subjects. They do not contain the variation between trainings.",
        f"Effect: rank-biserial correlation, -1 to 1. p: Wilcoxon's signed-rank test, two-sided; Holm's "
        f"correction for the {len(tests)} tests of this table.",
    )
    return Table("comparisons", "Each pretraining against training from scratch", columns, tuple(rows), notes)


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


def _named(arm: Arm) -> tuple[Value, ...]:
    n = "all labelled" if arm.n_labelled is None else str(arm.n_labelled)
    parts = ["+".join(arm.phases), "+".join(arm.vendors), "" if arm.augmentation else "no augmentation"]
    return n, arm.updates, arm.name, ", ".join(part for part in parts if part)


def _interval(ends: tuple[float, float], sign: str = "") -> str:
    return " to ".join(f"{end:{sign}.3f}" for end in ends)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
