"""A cohort as nnU-Net's raw data set (version 2): one case a labelled phase.

The folds of ``splits_final.json`` keep the phases of one subject together; nnU-Net's own random folds
would train on a subject's ED and validate on its ES. nnU-Net looks for it in its preprocessed folder.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.atomic import write_text
from cmr_ssp.errors import CmrSspError, OutputError, Problem, Severity
from cmr_ssp.events import Progress, ignore_progress
from cmr_ssp.files import open_stack, read_segmentation, write_segmentation
from cmr_ssp.files.labels.writing import write_image
from cmr_ssp.made_folder import MadeFolder
from cmr_ssp.subjects import Cohort, Role, Segmentation, Split, Subject

Corrections = Mapping[tuple[str, Phase], Segmentation]
"""Labels that replace a cohort's own, by subject id and phase."""

_FOLDS = 5
_ENDING = ".nii.gz"
_EXPORT = MadeFolder(
    "export.txt",
    "cmr-ssp export-cohort",
    "export",
    "Choose another folder, number or name, or remove it yourself.",
)


class CaseNames(StrEnum):
    """What cases are called after."""

    PSEUDONYMS = "pseudonyms"
    IDS = "ids"


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled phase and its name in the data set."""

    name: str
    subject: str
    phase: Phase
    is_test: bool


@dataclass(frozen=True, slots=True)
class NnunetExport:
    """Where a data set was written, its cases, and the phases that were left out."""

    folder: Path
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]


def export_nnunet(
    cohort: Cohort,
    folder: Path,
    *,
    number: int = 1,
    name: str = "CMR",
    split: Split | None = None,
    case_names: CaseNames = CaseNames.PSEUDONYMS,
    corrections: Corrections | None = None,
    replace: bool = False,
    on_progress: Progress = ignore_progress,
) -> NnunetExport:
    """Write ``DatasetNNN_Name`` with images, labels and ``dataset.json``.

    Parameters
    ----------
    cohort : Cohort
        Its labelled phases become cases. A structure that nobody drew in any of them is no class; a phase
        that lacks a structure which others have is left out, since nnU-Net would take it for background.
    folder : Path
        Usually ``nnUNet_raw``; the data set's folder is made in it.
    number, name : int, str
        Of the data set; 1 to 999, letters and digits.
    split : Split, optional
        Its test subjects go to ``imagesTs`` and ``labelsTs``.
    case_names : CaseNames
        ``subject001_ED``, counted in the order of ids, or ``<id>_ED``.
    corrections : mapping, optional
        Labels that replace those of the cohort.
    replace : bool
        Take the place of an earlier export that nobody changed (`export.txt` lists its files).
    on_progress : callable, optional
        Called with the number of subjects done and of all.

    Returns
    -------
    NnunetExport
        The cases, which name their subjects: keep that apart from the data set.

    Raises
    ------
    OutputError
        If there is nothing to export, or where something is in the way that no export made. What is
        there stays as it is then.
    """
    target = folder / f"Dataset{number:03d}_{name}"
    corrections = corrections or {}
    _check_names(target, number, name, cohort)
    _require_free(target, cohort, replace=replace)
    complete, structures, problems = _complete(cohort, corrections)
    cases = _cases(complete, split, case_names)
    if all(case.is_test for case in cases):
        what = "no labelled phase is left to train on"
        raise OutputError.of(target, what, "Label some, or change the split.")
    with _staged(target) as staging:
        for done, subject in enumerate(cohort.subjects, start=1):
            mine = [case for case in cases if case.subject == subject.id]
            _write_subject(staging, subject, mine, corrections, structures)
            on_progress(done, len(cohort.subjects))
        write_text(staging / "dataset.json", _dataset(name, structures, cases) + "\n")
        write_text(staging / "splits_final.json", json.dumps(_folds(cases), indent=1) + "\n")
    return NnunetExport(target, cases, tuple(problems))


def _require_free(target: Path, cohort: Cohort, *, replace: bool) -> None:
    """Refuse, before anything is read or written, to replace what no export made, and sources."""
    if not replace and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError.of(target, "it exists already", "Choose another folder, or ask to replace it.")
    _EXPORT.require_own(target)
    inside = target.resolve()
    sources = [frame.path for subject in cohort.subjects for frame in subject.frames]
    sources += [label.source.path for subject in cohort.subjects for label in subject.labels]
    if any(inside in source.resolve().parents for source in sources):
        raise OutputError.of(target, "the cohort's own files lie in it", "Choose another folder.")


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield a folder beside the data set's own; it takes the place of that once it is complete."""
    staging = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield staging
        _EXPORT.write_list(staging, [staging])
        _EXPORT.clear(target)
        if target.exists():
            target.rmdir()
        staging.rename(target)
    except OSError as error:
        what = f"it cannot be written ({error.strerror})"
        raise OutputError.of(target, what, "Choose another folder.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_names(target: Path, number: int, name: str, cohort: Cohort) -> None:
    """Refuse what cannot be part of the names of nnU-Net's folders and files."""
    if not (1 <= number <= 999 and name.isalnum() and name.isascii()):
        remedy = "Give a number from 1 to 999, and a name of letters and digits."
        raise OutputError.of(target, "it is no name of nnU-Net's", remedy)
    strange = [subject.id for subject in cohort.subjects if not subject.names_files]
    if strange:
        what = f"'{strange[0]}' cannot be part of a file's name"
        raise OutputError.of(target, what, "Use letters, digits, '-' and '_' in ids.")


def _complete(
    cohort: Cohort, corrections: Corrections
) -> tuple[set[tuple[str, Phase]], list[Structure], list[Problem]]:
    """Return the phases that show every structure drawn anywhere, these structures, and why others do not."""
    drawn, problems = _drawn(cohort, corrections)
    structures = sorted({structure for found in drawn.values() for structure in found})
    complete = {key for key, found in drawn.items() if len(found) == len(structures)}
    problems += [_left_out(key, structures, drawn[key]) for key in sorted(set(drawn) - complete)]
    return complete, structures, problems


def _drawn(
    cohort: Cohort, corrections: Corrections
) -> tuple[dict[tuple[str, Phase], frozenset[Structure]], list[Problem]]:
    """Read which structures are drawn in each labelled phase."""
    drawn: dict[tuple[str, Phase], frozenset[Structure]] = {}
    problems: list[Problem] = []
    for subject in cohort.subjects:
        for phase in _phases(subject, corrections):
            try:
                found = _labels(subject, phase, corrections).drawn
            except CmrSspError as error:
                problems += error.problems
                continue
            if found:
                drawn[subject.id, phase] = found
    return drawn, problems


def _phases(subject: Subject, corrections: Corrections) -> list[Phase]:
    return [phase for phase in Phase if phase in subject.phases or (subject.id, phase) in corrections]


def _labels(subject: Subject, phase: Phase, corrections: Corrections) -> Segmentation:
    return corrections.get((subject.id, phase)) or read_segmentation(subject, phase)


def _left_out(
    key: tuple[str, Phase], structures: Sequence[Structure], drawn: frozenset[Structure]
) -> Problem:
    lacking = ", ".join(structure.name for structure in structures if structure not in drawn)
    what = f"nobody drew {lacking} at {key[1]}; the phase is left out"
    return Problem(f"subject {key[0]}", what, "Draw it, or leave it out everywhere.", Severity.WARNING)


def _cases(keys: set[tuple[str, Phase]], split: Split | None, case_names: CaseNames) -> tuple[Case, ...]:
    ids = sorted({subject_id for subject_id, _ in keys})
    digits = max(3, len(str(len(ids))))
    called = {
        subject_id: subject_id if case_names is CaseNames.IDS else f"subject{place:0{digits}d}"
        for place, subject_id in enumerate(ids, start=1)
    }
    test = set(split.ids(Role.TEST)) if split else set()
    order = list(Phase)
    keyed = sorted(keys, key=lambda key: (key[0], order.index(key[1])))
    return tuple(Case(f"{called[i]}_{phase}", i, phase, i in test) for i, phase in keyed)


def _dataset(name: str, structures: Sequence[Structure], cases: Sequence[Case]) -> str:
    labels = {"background": 0} | {s.name: place for place, s in enumerate(structures, start=1)}
    tree: dict[str, Any] = {
        "channel_names": {"0": "cine MRI"},
        "labels": labels,
        "numTraining": sum(not case.is_test for case in cases),
        "file_ending": _ENDING,
        "name": name,
    }
    return json.dumps(tree, indent=1)


def _folds(cases: Sequence[Case]) -> list[dict[str, list[str]]]:
    """Deal subjects out to folds; both phases of one are always in the same."""
    train = [case for case in cases if not case.is_test]
    ids = np.random.default_rng(0).permutation(sorted({case.subject for case in train})).tolist()
    folds = []
    for fold in range(min(_FOLDS, len(ids))):
        held = set(ids[fold::_FOLDS])
        folds.append(
            {
                "train": [case.name for case in train if case.subject not in held],
                "val": [case.name for case in train if case.subject in held],
            }
        )
    return folds


def _files(target: Path, case: Case) -> tuple[Path, Path]:
    kind = "Ts" if case.is_test else "Tr"
    image = target / f"images{kind}" / f"{case.name}_0000{_ENDING}"
    return image, target / f"labels{kind}" / f"{case.name}{_ENDING}"


def _write_subject(
    target: Path,
    subject: Subject,
    cases: Sequence[Case],
    corrections: Corrections,
    structures: Sequence[Structure],
) -> None:
    if not cases:
        return
    numbering = dict(enumerate(structures, start=1))
    stack = open_stack(subject)
    pixels = stack.load()
    for case in cases:
        found = _labels(subject, case.phase, corrections)
        image, labels = _files(target, case)
        write_image(image, pixels[found.frame], stack)
        write_segmentation(labels, found.labels, stack, numbering, replace=True)  # `_check_files` asked
