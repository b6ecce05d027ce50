"""The data of an experiment: its folders as cohorts, and the locked split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cmr_ssp.errors import CohortError, OutputError, Problem
from cmr_ssp.experiments.file import SplitRule
from cmr_ssp.files import open_cohort
from cmr_ssp.files.layouts.published import published_split_of
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import draw_split
from cmr_ssp.subjects.split_file import read_split, write_split

_CACHED = 4  # experiments of one process


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentData:
    """The cohorts of an experiment.

    Attributes
    ----------
    labelled : Cohort
        The subjects of the split; all others are unlabelled.
    everyone : Cohort
        All subjects for pretraining, without the labels of the unlabelled data.
    split : Split
        Role of every subject of `everyone`; test and validation subjects are of `labelled`.
    """

    labelled: Cohort
    everyone: Cohort
    split: Split

    @property
    def test(self) -> Cohort:
        """The test subjects."""
        return self.labelled.select(self._known(Role.TEST))

    @property
    def pool(self) -> Cohort:
        """The labelled training subjects."""
        chosen = self.labelled.select(self._known(Role.TRAIN))
        return replace(chosen, subjects=tuple(subject for subject in chosen if subject.labels))

    def _known(self, role: Role) -> list[str]:
        return [subject.id for subject in self.labelled if self.split.role(subject.id) is role]


def open_data(
    names: tuple[str, ...], split: Mapping[str, Any], folders: Mapping[str, Path]
) -> ExperimentData:
    """Open the folders of an experiment and draw its split; headers are read, pixels are not.

    Parameters
    ----------
    names : tuple of str
        Names of the data, that with labels first.
    split : Mapping
        The rule of the split, as `cmr_ssp.experiments.file.SplitRule.stated` returns it.
    folders : Mapping of str to Path
        Folder by name.

    Raises
    ------
    CohortError
        If folders are missing or cannot be used, ids occur twice, or the split cannot be drawn; the error
        has every problem.
    """
    lacking = [name for name in names if name not in folders]
    if lacking:
        remedy = "Give its folder with --data {0}=FOLDER."
        what = "the experiment needs data of this name"
        raise CohortError(*(Problem(name, what, remedy.format(name)) for name in lacking))
    return _opened(names, tuple(sorted(split.items())), tuple(folders[name] for name in names))


@lru_cache(_CACHED)
def _opened(
    names: tuple[str, ...], rule: tuple[tuple[str, Any], ...], folders: tuple[Path, ...]
) -> ExperimentData:
    labelled, *others = (open_cohort(folder) for folder in folders)
    subjects = {subject.id: subject for subject in labelled}
    problems = []
    for name, cohort in zip(names[1:], others, strict=True):
        for subject in cohort:
            if subject.id in subjects:
                what = f"the subject '{subject.id}' is also in other data of the experiment"
                problems.append(Problem(name, what, "Remove it from one of them, or rename it."))
            subjects[subject.id] = replace(subject, labels=())
    if problems:
        raise CohortError(*problems)
    drawn = _draw(labelled, SplitRule.model_validate(dict(rule)))
    roles = {
        name: drawn.role(name) or Role.TRAIN
        for name in subjects
        if name not in _without_role(labelled, drawn)
    }
    everyone = replace(labelled, subjects=tuple(subjects[name] for name in sorted(subjects)))
    return ExperimentData(labelled, everyone, Split(roles, drawn.seed))


def _without_role(labelled: Cohort, drawn: Split) -> set[str]:
    """Return subjects that the published split leaves out, since they may be in it twice."""
    return {subject.id for subject in labelled if drawn.role(subject.id) is None}


def _draw(cohort: Cohort, rule: SplitRule) -> Split:
    if rule.published:
        return published_split_of(cohort.root)
    by_vendor = rule.by == "vendor"
    subjects = [replace(subject, group=None) if by_vendor else subject for subject in cohort]
    n_labelled = sum(bool(subject.labels) for subject in subjects)
    wanted = rule.test + rule.validation
    if wanted >= n_labelled:
        what = f"has {n_labelled} labelled subjects, and {wanted} are to be set apart"
        raise CohortError.of(cohort.root, what, "Use more subjects, or set fewer apart under split.")
    split = draw_split(
        subjects,
        test=rule.test / n_labelled,
        validation=rule.validation / n_labelled,
        seed=rule.seed,
    )
    _require_all_vendors(cohort, split, by_vendor=by_vendor)
    return split


def _require_all_vendors(cohort: Cohort, split: Split, *, by_vendor: bool) -> None:
    """Check that a split by vendor has every vendor in the pool and, as far as it goes, in the test."""
    if not by_vendor:
        return
    labelled = [subject for subject in cohort if subject.labels]
    test = {vendor_of(s) for s in labelled if split.role(s.id) is Role.TEST}
    lacking = sorted({vendor_of(s) for s in labelled} - test)
    if lacking:
        what = f"no test subject is from {' or '.join(lacking)}"
        raise CohortError.of(cohort.root, what, "Set more test subjects apart, or split by group.")


def vendor_of(subject: Subject) -> str:
    """Return the vendor, empty if unknown."""
    return subject.vendor or ""


def lock_split(path: Path, split: Split) -> None:
    """Write the split of an experiment, or check that it is still the same.

    Raises
    ------
    OutputError
        If the experiment was started with other subjects or another split.
    """
    if not path.exists():
        write_split(path, split)
    elif read_split(path).roles != split.roles:
        what = "the experiment was started with other subjects, or with another split"
        raise OutputError.of(path, what, "Use the data of the start, or another --out.")
