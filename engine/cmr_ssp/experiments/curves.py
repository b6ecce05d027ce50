"""The learning curves of an experiment: Dice against labelled subjects and against minutes."""

from __future__ import annotations

from cmr_ssp.evaluation import mean_dice
from cmr_ssp.experiments.arms import method_name
from cmr_ssp.experiments.results import Results
from cmr_ssp.reports.learning_curves import Curve, Points

Groups = dict[str, list[Points]]


def label_curves(found: Results) -> dict[str, list[Curve]]:
    """Return the curves of Dice against labelled subjects by the length of training on labels.

    Of trainings on both phases and all vendors, with augmentation and a stated number of subjects; controls
    and lengths with only one label budget are left out.
    """
    by_length: dict[int, Groups] = {}
    for arm, trained in found.arms.items():
        if not arm.is_main or arm.control or arm.n_labelled is None:
            continue
        dice = [mean_dice(each.scores) for each in trained]
        points = tuple((float(arm.n_labelled), value) for value in dice if value is not None)
        by_length.setdefault(arm.updates, {}).setdefault(arm.name, []).append(points)
    long = {n: groups for n, groups in by_length.items() if any(len(each) > 1 for each in groups.values())}
    return {f"{updates} updates on labels": _curves(long[updates]) for updates in sorted(long)}


def minute_curves(found: Results) -> dict[str, list[Curve]]:
    """Return the curves of Dice against minutes, pretraining included, by label budget.

    Controls are trainings from scratch like any other. Trainings without a measured time are left out.
    """
    by_budget: dict[str, Groups] = {}
    for arm, trained in found.arms.items():
        if not arm.is_main:
            continue
        budget = f"{'all' if arm.n_labelled is None else arm.n_labelled} labelled subjects"
        name = f"{method_name(arm.method)} ({arm.variant})" if arm.variant else method_name(arm.method)
        dice = [(each.minutes, mean_dice(each.scores)) for each in trained if each.minutes > 0]
        points = tuple((minutes, value) for minutes, value in dice if value is not None)
        if points:
            by_budget.setdefault(budget, {}).setdefault(name, []).append(points)
    return {budget: _curves(groups) for budget, groups in by_budget.items()}


def _curves(groups: Groups) -> list[Curve]:
    return [Curve(name, tuple(points)) for name, points in groups.items()]
