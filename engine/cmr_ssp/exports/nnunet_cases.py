"""The cases of an nnU-Net data set, and the two JSON files that list them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.subjects import Role, Split

_FOLDS = 5
_ENDING = ".nii.gz"


class CaseNames(StrEnum):
    """How cases are named."""

    PSEUDONYMS = "pseudonyms"
    IDS = "ids"


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled phase, and its case name in the data set."""

    name: str
    subject: str
    phase: Phase
    is_test: bool


def cases_of(keys: set[tuple[str, Phase]], split: Split | None, case_names: CaseNames) -> tuple[Case, ...]:
    """Name the labelled phases, in the order of subject ids."""
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


def dataset_json(name: str, structures: Sequence[Structure], cases: Sequence[Case]) -> str:
    """Return the text of ``dataset.json``."""
    labels = {"background": 0} | {s.name: place for place, s in enumerate(structures, start=1)}
    tree: dict[str, Any] = {
        "channel_names": {"0": "cine MRI"},
        "labels": labels,
        "numTraining": sum(not case.is_test for case in cases),
        "file_ending": _ENDING,
        "name": name,
    }
    return json.dumps(tree, indent=1)


def folds(cases: Sequence[Case]) -> list[dict[str, list[str]]]:
    """Assign subjects to folds; all phases of a subject are in the same fold."""
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
