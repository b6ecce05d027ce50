"""The same subjects as the paper's authors: their split, their label subsets, their lists by vendor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from cmr_ssp.files import open_cohort
from cmr_ssp.jobs import LabelBudget
from cmr_ssp.subjects import Role
from cmr_ssp.subjects.split import draw_subjects
from published import published_cohort, published_roles, published_rows

SUBSETS = {
    (10, 0): "8f7d94e2a1791a03",
    (10, 1): "a1217d60fe504773",
    (10, 2): "95f1f6065e1f4436",
    (15, 0): "f2a1c2f82eed6d6b",
    (15, 1): "0c51ce1dfc4a0adb",
    (15, 2): "044924292128bb6f",
    (25, 0): "0983ddba20fd0d09",
    (25, 1): "5a2f744289dfcdb6",
    (25, 2): "b88303395a2b24d7",
    (50, 0): "ba42080cb7968c3d",
    (50, 1): "45e6913d138fa26e",
    (50, 2): "d716c56b4a63013e",
}
"""By subjects and seed: the digest of the authors' own list, sorted and joined by commas."""

VENDORS = {"A_B": "0f5dc593e6999312", "C_D": "30044af192675df3"}


def digest(ids: Iterable[str]) -> str:
    return hashlib.sha256(",".join(sorted(ids)).encode()).hexdigest()[:16]


def drawn(n: int | None, seed: int = 0, vendors: tuple[str, ...] | None = None) -> set[str]:
    """Return the training subjects of a label budget without validation subjects, as in the paper."""
    budget = LabelBudget(n, seed, vendors=vendors, validates=False)
    labelled = budget.choose(published_cohort(), published_roles())
    assert labelled.validation == ()
    return set(labelled.training)


def test_the_validation_subjects_are_the_authors_own() -> None:
    split = published_roles()
    pool = split.ids(Role.TRAIN, Role.VALIDATION)
    assert set(draw_subjects(pool, 74, 0)) == set(split.ids(Role.VALIDATION))


@pytest.mark.parametrize(("n", "seed"), SUBSETS)
def test_a_label_budget_draws_the_authors_subjects(n: int, seed: int) -> None:
    assert digest(drawn(n, seed)) == SUBSETS[n, seed]


@pytest.mark.parametrize("vendors", VENDORS)
def test_the_lists_by_vendor(vendors: str) -> None:
    assert digest(drawn(None, vendors=(vendors,))) == VENDORS[vendors]


def test_ids_of_another_cohort_keep_their_order() -> None:
    """Digits follow letters; if all ids are of one kind, their order is unchanged."""
    codes, numbers = ["A1", "B2", "C3"], ["001", "002", "003"]
    assert set(draw_subjects(codes + numbers, 6, 0)) == set(codes + numbers)
    by_place = dict(zip(numbers, codes, strict=True))
    assert tuple(by_place[name] for name in draw_subjects(numbers, 3, 1)) == draw_subjects(codes, 3, 1)


def test_any_seed_draws() -> None:
    assert drawn(10, 2**32) == drawn(10, 0) != drawn(10, 2**40 + 1) == drawn(10, 1)


def test_against_the_authors_files(real_data: Path) -> None:
    path = real_data.parent / "published_splits.json"
    if not path.is_file():
        pytest.skip("needs the authors' lists beside the public data")
    published = json.loads(path.read_text())
    lists = {
        name: {code for codes in sets.values() for code in codes} for name, sets in published["train"].items()
    }
    assert {f"nr{n}-seed{seed}": drawn(n, seed) for n, seed in SUBSETS} == {
        name: codes for name, codes in lists.items() if name.startswith("nr")
    }
    assert {f"Vendor-{name}": drawn(None, vendors=(name,)) for name in VENDORS} == {
        name: codes for name, codes in lists.items() if name.startswith("Vendor")
    }


def test_the_vendors_of_m_and_ms_are_those_of_the_lists(real_data: Path) -> None:
    listed = {row["id"]: row["vendors"] for row in published_rows()}
    cohort = open_cohort(real_data / "mnms_vendors")
    training = [subject for subject in cohort.subjects if listed.get(subject.id)]
    assert len(training) > 40
    assert {(subject.vendor, listed[subject.id]) for subject in training} == {
        ("Siemens", "A_B"),
        ("Philips", "A_B"),
    }
