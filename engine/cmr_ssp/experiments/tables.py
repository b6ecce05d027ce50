"""The paper's tables 1 to 4 and its supplement B for an experiment: Dice of test subjects over seeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import mean_dice
from cmr_ssp.experiments.arms import SCRATCH, Arm, method_name
from cmr_ssp.experiments.further_tables import comparisons, distances, volumes
from cmr_ssp.experiments.published import PAPER_AUGMENTATION, PAPER_LABELS, PAPER_PHASES, PAPER_VENDORS
from cmr_ssp.experiments.results import Results, Trained, lengths, number_range
from cmr_ssp.experiments.statistics import Spread, spread
from cmr_ssp.experiments.table_formats import Table, Value

ABSENT = (
    "A structure without a label in the reference enters no mean. One that the reference leaves empty counts "
    "1 if the segmentation leaves it empty, too, and 0 if not."
)
_PAPER_STRUCTURES = (
    "The paper, all labelled subjects, all methods, ± over subjects: LV 0.93 ± 0.05, MYO 0.85 ± 0.05, RV "
    "0.90 ± 0.06."
)
_BOTH, _ALL = "both phases", "all"
ENOUGH_PRETRAININGS = 3


def make_tables(found: Results) -> list[Table]:
    """Make every table for which the experiment has trainings, in the order of the paper."""
    makers: Sequence[Callable[[Results], Table | None]] = (
        labelled_subjects,
        phases,
        vendors,
        augmentation,
        structures,
        distances,
        volumes,
        comparisons,
    )
    return [table for make in makers if (table := make(found)) is not None]


def labelled_subjects(found: Results) -> Table | None:
    """Table 1: Dice by labelled subjects and method."""
    main = [arm for arm in found.arms if arm.is_main]
    if not main:
        return None
    names = [name for _, name in sorted({(_column(arm), arm.name) for arm in main})]
    keys = sorted({_key(arm) for arm in main}, key=lambda key: (-key[0], key[1]))
    several = len({updates for _, updates in keys}) > 1
    rows = []
    for n, updates in keys:
        here = {arm.name: arm for arm in main if _key(arm) == (n, updates)}
        budget = next(iter(here.values())).budget
        cells: list[Value] = [budget, *([updates] if several else [])]
        rows.append((*cells, *(_dice(found, here[name]) if name in here else None for name in names)))
    columns = ("labelled subjects", *(["updates"] if several else []), *names)
    title = "Table 1. Mean 3D Dice over structures, phases and test subjects"
    return Table("table-1-labelled-subjects", title, columns, tuple(rows), _notes(found, main), PAPER_LABELS)


def phases(found: Results) -> Table | None:
    """Table 2: Dice at each phase after training on one of them."""
    arms = [a for a in found.arms if a.phases != tuple(Phase) and not a.vendors and a.augmentation]
    if not arms:
        return None
    rows = [
        (*_who(found, arm), "+".join(arm.phases), _dice(found, arm), *_by_phase(found, arm)) for arm in arms
    ]
    columns = (*_who_columns(), "trained on", _BOTH, *Phase)
    title = "Table 2. Dice at each phase after training on labels of one phase"
    return Table("table-2-phases", title, columns, tuple(rows), _notes(found, arms), PAPER_PHASES)


def vendors(found: Results) -> Table | None:
    """Table 3: Dice of each group of vendors after training on one of them."""
    arms = [a for a in found.arms if a.vendors and a.phases == tuple(Phase) and a.augmentation]
    if not arms:
        return None
    groups = _vendor_groups(found)
    rows = [
        (*_who(found, a), "+".join(a.vendors), _dice(found, a), *_by_vendor(found, a, groups)) for a in arms
    ]
    columns = (*_who_columns(), "trained on", "all vendors", *map("+".join, groups))
    title = "Table 3. Dice of each vendor after training on labels of some vendors"
    return Table("table-3-vendors", title, columns, tuple(rows), _notes(found, arms), PAPER_VENDORS)


def augmentation(found: Results) -> Table | None:
    """Table 4: Dice with and without augmentation of the labelled images."""
    without = [arm for arm in found.arms if not arm.augmentation]
    if not without:
        return None
    kinds = {_but_augmentation(arm) for arm in without}
    arms = [arm for arm in found.arms if _but_augmentation(arm) in kinds]
    groups = _vendor_groups(found)
    rows = []
    for arm in arms:
        used = "yes" if arm.augmentation else "no"
        by_group = (*_by_phase(found, arm), *_by_vendor(found, arm, groups))
        rows.append((*_who(found, arm), used, _dice(found, arm), *by_group))
    columns = (*_who_columns(), "augmentation", _ALL, *Phase, *map("+".join, groups))
    title = "Table 4. Dice with and without augmentation of the labelled images"
    return Table("table-4-augmentation", title, columns, tuple(rows), _notes(found, arms), PAPER_AUGMENTATION)


def structures(found: Results) -> Table | None:
    """Supplement B: Dice of each structure, also at each phase, and of each group of vendors."""
    arms = [arm for arm in found.arms if arm.is_main]
    groups = _vendor_groups(found)
    rows = []
    for arm in arms:
        cells = [_over_seeds(found, arm, {structure}) for structure in Structure]
        cells += [_over_seeds(found, arm, {s}, {phase}) for phase in Phase for s in Structure]
        rows.append((*_who(found, arm), *cells, *_by_vendor(found, arm, groups)))
    names = [s.name for s in Structure]
    at_phase = [f"{name} {phase}" for phase in Phase for name in names]
    columns = (*_who_columns(), *names, *at_phase, *map("+".join, groups))
    title = "Supplement B. Dice by structure, phase and vendor"
    notes = (*_notes(found, arms), _PAPER_STRUCTURES)
    return Table("supplement-b-structures", title, columns, tuple(rows), notes) if arms else None


def pretraining_notes(trained: Iterable[Trained]) -> list[str]:
    """Say which methods have too few pretrainings for ± to contain how pretrainings vary."""
    by_method: dict[str, set[str | None]] = {}
    for each in trained:
        if each.cell.method != SCRATCH:
            by_method.setdefault(each.cell.method, set()).add(each.cell.parent)
    few = {m: len(ids) for m, ids in by_method.items() if len(ids) < ENOUGH_PRETRAININGS}
    if not few:
        return []
    named = ", ".join(f"{method_name(method)} {n}" for method, n in sorted(few.items()))
    return [f"Fewer than three pretrainings ({named}): ± hardly contains how much pretrainings vary."]


def _notes(found: Results, arms: Iterable[Arm]) -> tuple[str, ...]:
    trained = [each for arm in arms for each in found.arms[arm]]
    n_seeds = {len(found.arms[arm]) for arm in arms}
    n_subjects = {len({s.subject for s in each.scores if s.dice is not None}) for each in trained}
    seeds = f"Mean ± sample standard deviation over seeds ({number_range(n_seeds)} each)"
    alone = "; a value without ± has one seed" if 1 in n_seeds else ""
    return f"{seeds}; {number_range(n_subjects)} test subjects{alone}.", ABSENT, *pretraining_notes(trained)


def _key(arm: Arm) -> tuple[float, int]:
    return (float("inf") if arm.n_labelled is None else arm.n_labelled), arm.updates


def _column(arm: Arm) -> tuple[object, ...]:
    return arm.order[2:]


def _who_columns() -> tuple[str, ...]:
    return "labelled subjects", "updates", "pretraining"


def _who(found: Results, arm: Arm) -> tuple[Value, ...]:
    return arm.budget, lengths(found.arms[arm]), arm.name


def _but_augmentation(arm: Arm) -> tuple[object, ...]:
    return arm.n_labelled, arm.updates, arm.name, arm.phases, arm.vendors, arm.split


def _over_seeds(
    found: Results,
    arm: Arm,
    of: Collection[Structure] = tuple(Structure),
    at: Collection[Phase] = tuple(Phase),
    subjects: Collection[str] | None = None,
) -> Spread | None:
    runs = [[s for s in each.scores if subjects is None or s.subject in subjects] for each in found.arms[arm]]
    return spread(mean_dice(scores, of, at) for scores in runs)


def _dice(found: Results, arm: Arm) -> Spread | None:
    return _over_seeds(found, arm)


def _by_phase(found: Results, arm: Arm) -> tuple[Spread | None, ...]:
    return tuple(_over_seeds(found, arm, at={phase}) for phase in Phase)


def _by_vendor(found: Results, arm: Arm, groups: Sequence[tuple[str, ...]]) -> tuple[Spread | None, ...]:
    of_group = [{s for s, vendor in found.vendors.items() if vendor in group} for group in groups]
    return tuple(_over_seeds(found, arm, subjects=subjects) for subjects in of_group)


def _vendor_groups(found: Results) -> list[tuple[str, ...]]:
    """Return the groups that were trained on, or else each vendor, if there are two."""
    trained_on = sorted({arm.vendors for arm in found.arms if arm.vendors})
    known = sorted(set(found.vendors.values()))
    return trained_on or ([(vendor,) for vendor in known] if len(known) > 1 else [])
