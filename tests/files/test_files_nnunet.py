from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, Severity
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from files_helpers import heart, pixels, save

SHAPE = (12, 12, 6)
ED, ES = Phase.ED, Phase.ES
BIG, SMALL = heart(radius=4.0, numbering="acdc"), heart(radius=3.0, numbering="acdc")
VERSION_2 = {"background": 0, "right ventricle": 1, "Myocardium": 2, "LV": 3}


def case(folder: Path, name: str, drawn: np.ndarray | None, seed: int = 0, *, where: str = "Tr") -> None:
    save(folder / f"images{where}" / f"{name}_0000.nii.gz", pixels(*SHAPE, seed=seed))
    if drawn is not None:
        save(folder / f"labels{where}" / f"{name}.nii.gz", drawn)


def describe(folder: Path, labels: Any) -> None:
    content = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 2, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(content))


def frames_of(folder: Path) -> dict[str, dict[Phase, int]]:
    return {
        s.id: {label.phase: label.listed_frame for label in s.labels} for s in open_cohort(folder).subjects
    }


@pytest.mark.parametrize(
    "labels",
    [
        VERSION_2,
        {"0": "background", "1": "RV", "2": "MYO", "3": "LV_cavity"},
        {"background": 0, "RV": 1, "MLV": 2, "LVC": 3},
        {"background": 0, "RVC": 1, "LV-Myo": 2, "Left Ventricular Cavity": 3, "ignore": 4},
    ],
)
def test_pairs_and_both_orders_of_labels(tmp_path: Path, labels: dict[str, Any]) -> None:
    root = tmp_path / "Dataset027_Heart"
    case(root, "anna_ES", SMALL, seed=1)
    case(root, "anna_ED", BIG)
    case(root, "ben_ED", None, where="Ts")
    describe(root, labels)
    cohort = open_cohort(tmp_path)
    assert (cohort.layout, cohort.problems) == ("nnU-Net raw", ())
    assert frames_of(root) == {"anna": {ED: 0, ES: 1}, "ben": {}}
    anna = cohort.subject("anna")
    assert np.array_equal(open_stack(anna).load()[1], pixels(*SHAPE, seed=1).T)
    assert np.array_equal(read_segmentation(resolve_subject(anna), ED).labels, heart(radius=4.0).T)


def test_numbered_frames_are_told_apart_by_their_labels(tmp_path: Path) -> None:
    case(tmp_path, "patient001_frame12", BIG)
    case(tmp_path, "patient001_frame01", SMALL)
    case(tmp_path, "patient002_frame02", None)
    case(tmp_path, "patient002_frame10", SMALL)
    describe(tmp_path, VERSION_2)
    assert frames_of(tmp_path) == {"patient001": {ED: 1, ES: 0}, "patient002": {ED: 1}}


def test_cases_of_unknown_phase_count_as_ed(tmp_path: Path) -> None:
    case(tmp_path, "anna", BIG)
    describe(tmp_path, VERSION_2)
    cohort = open_cohort(tmp_path)
    assert frames_of(tmp_path) == {"anna": {ED: 0}}
    assert [problem.severity for problem in cohort.problems] == [Severity.WARNING]
    assert frames_of(tmp_path / "imagesTr") == {"anna": {ED: 0}}


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {"background": 0, "aorta": 1},
        {"heart": [1, 2, 3], "LV": 3},
        ["LV"],
        {"LV": None},
        {"LV": 300},
        {"LV": -1},
        {"LV": 1, "RV": 1},
        {"background": 0},
    ],
)
def test_labels_that_nobody_explains(tmp_path: Path, labels: Any) -> None:
    case(tmp_path, "anna_ED", BIG)
    if labels:
        describe(tmp_path, labels)
    with pytest.raises(CohortError, match=r"structures: \{LV: 3, MYO: 2, RV: 1\}"):
        open_cohort(tmp_path)
    (tmp_path / "cohort.yaml").write_text("structures: {LV: 3, MYO: 2, RV: 1}\n")
    (subject,) = open_cohort(tmp_path).subjects
    assert np.array_equal(read_segmentation(resolve_subject(subject), ED).labels, heart(radius=4.0).T)


def test_further_channels_and_stray_labels_are_reported(tmp_path: Path) -> None:
    case(tmp_path, "anna_ED", BIG)
    save(tmp_path / "imagesTr" / "anna_ED_0001.nii.gz", pixels(*SHAPE))
    save(tmp_path / "labelsTr" / "ben_ED.nii.gz", BIG)
    describe(tmp_path, VERSION_2)
    problems = open_cohort(tmp_path).problems
    assert [(Path(p.where).name, str(p.severity)) for p in problems] == [
        ("ben_ED.nii.gz", "error"),
        ("imagesTr", "warning"),
    ]
    assert frames_of(tmp_path) == {"anna": {ED: 0}}
