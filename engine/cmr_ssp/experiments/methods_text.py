"""A paragraph on the methods of an experiment, ready to be edited for a paper."""

from __future__ import annotations

from collections.abc import Iterable

from cmr_ssp import __version__
from cmr_ssp.experiments.arms import SCRATCH, method_name
from cmr_ssp.experiments.results import Results, Trained
from cmr_ssp.experiments.statistics import FAILURE


def methods_paragraph(found: Results) -> list[str]:
    """Return paragraphs on training, scores and statistics."""
    trained = [each for group in found.arms.values() for each in group]
    return [_training(found, trained), _scores(found, trained), _statistics()]


def _training(found: Results, trained: list[Trained]) -> str:
    methods = list(dict.fromkeys(arm.method for arm in found.arms))
    pretrained = [method_name(method) for method in methods if method != SCRATCH]
    budgets = sorted({arm.n_labelled for arm in found.arms if arm.n_labelled is not None})
    whole = ["all"] if any(arm.n_labelled is None for arm in found.arms) else []
    lengths = sorted({each.cell.updates for each in trained if not each.cell.control})
    text = "A 2D U-Net was trained on the labels of "
    text += f"{_and([*map(str, budgets), *whole])} subjects for {_and(map(str, lengths))} updates"
    starts = ["from random weights"] if SCRATCH in methods else []
    starts += [f"after pretraining with {_and(pretrained)} on slices without labels"] if pretrained else []
    seeds = sorted({each.cell.seeds["training"] for each in trained if "training" in each.cell.seeds})
    several = f"up to {len(seeds)} training seeds" if len(seeds) > 1 else "one training seed"
    text += f", {_and(starts)}, with {several}"
    return f"{text} (cmr-ssp {__version__})."


def _scores(found: Results, trained: list[Trained]) -> str:
    subjects = {score.subject for each in trained for score in each.scores}
    known = list(found.vendors.values())
    by_vendor = ", ".join(f"{known.count(name)} {name}" for name in sorted(set(known)))
    vendors = f" ({by_vendor})" if by_vendor else ""
    return (
        f"The {len(subjects)} test subjects{vendors} were locked away before any training, pretraining "
        "included. Dice was computed in 3D on the grid of the image at ED and ES for LV, MYO and "
        "RV, by the last checkpoint; tables state its mean over structures, phases and subjects."
    )


def _statistics() -> str:
    return (
        "± is the sample standard deviation over seeds. Methods were compared on the Dice of each test "
        "subject, averaged over seeds, with Wilcoxon's two-sided signed-rank test and Holm's correction; the "
        "effect size is the rank-biserial correlation. 95 % intervals are percentile intervals of 10 000 "
        "bootstrap resamples of the subjects. A failure is a structure of a subject at one phase with a Dice "
        f"below {FAILURE}."
    )


def _and(words: Iterable[str]) -> str:
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last
