from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from cmr_ssp.errors import CohortError
from cmr_ssp.files.layouts.published import published_split_of
from cmr_ssp.subjects import Role, Split
from cmr_ssp.subjects.published_split import published_split, read_authors_split, write_authors_split

VENDORS = {
    f"{letter}{n:03d}": letter
    for n in range(95)
    for letter in "DBAC"
    if n < {"C": 75, "D": 50}.get(letter, 95)
}
DISEASES = {
    f"{n:03d}": ("NOR", "HCM", "LV", "RV", "TOF")[n % 5 if n < 281 else 3 + n % 2] for n in range(1, 361)
}


def test_counts_and_rules() -> None:
    split = published_split(VENDORS, DISEASES)
    test = split.ids(Role.TEST)
    assert [sum(code.startswith(v) for code in test) for v in "ABCD"] == [15, 15, 15, 15]
    assert {code for code in test if code.isdecimal()} == {f"{n}" for n in range(281, 361)}
    assert not any(DISEASES.get(code) in ("NOR", "HCM", "LV") for code in split.roles)
    rest = len(VENDORS) + 192 - 140  # 112 of the first 280 are RV or TOF
    assert len(split.ids(Role.VALIDATION)) == round(0.2 * rest)
    assert len(split.roles) == len(VENDORS) + 192


def test_the_draw_is_the_authors_own() -> None:
    """pandas draws with the legacy generator, without replacement; the authors shuffle sorted names."""
    split = published_split({f"A{n:02d}": "A" for n in range(20)}, {})
    left_out = set(range(20)) - {int(code[1:]) for code in split.ids(Role.TEST)}
    assert left_out == set(range(20)) - set(np.random.RandomState(1234).permutation(20)[:15].tolist())
    names = np.array(sorted(f"mm1-A{n:02d}" for n in left_out))
    np.random.RandomState(0).shuffle(names)
    assert split.ids(Role.VALIDATION) == (names[0].removeprefix("mm1-"),)


PANDAS_DRAWS = {
    95: (40, 77, 91, 89, 63, 61, 35, 80, 27, 54, 1, 78, 56, 55, 59),
    75: (46, 63, 52, 51, 6, 29, 61, 27, 8, 22, 21, 4, 25, 64, 72),
    50: (37, 45, 6, 44, 13, 36, 8, 29, 4, 49, 21, 18, 10, 22, 31),
}
"""Rows that pandas 3.0.6 draws of so many by ``sample(n=15, random_state=1234)``, as the authors call it:
anew for each vendor (``groupby("Vendor").apply``). ``groupby("Vendor").sample`` would draw others."""


@pytest.mark.parametrize("vendor", "ABCD")
def test_the_rows_are_those_that_pandas_draws(vendor: str) -> None:
    codes = [code for code, made_by in VENDORS.items() if made_by == vendor]
    drawn = [code for code in published_split(VENDORS, DISEASES).ids(Role.TEST) if code in codes]
    assert set(drawn) == {codes[row] for row in PANDAS_DRAWS[len(codes)]}


def test_too_few_of_a_vendor() -> None:
    with pytest.raises(CohortError, match="fewer than 15"):
        published_split({f"A{n}": "A" for n in range(14)}, {})


def write_tables(root: Path) -> None:
    (root / "MnM").mkdir(parents=True)
    (root / "MnM2").mkdir()
    rows = [f"{n},{code},x,{vendor},0,9" for n, (code, vendor) in enumerate(VENDORS.items())]
    (root / "MnM" / "info.csv").write_text("\n".join([",External code,VendorName,Vendor,ED,ES", *rows]))
    rows = [f"{int(code)},{disease},SIEMENS" for code, disease in DISEASES.items()]
    (root / "MnM2" / "dataset_information.csv").write_text("\n".join(["SUBJECT_CODE,DISEASE,VENDOR", *rows]))


def test_from_the_tables(tmp_path: Path) -> None:
    write_tables(tmp_path)
    assert published_split_of(tmp_path) == published_split(VENDORS, DISEASES)
    assert published_split_of(tmp_path / "MnM2" / "..") == published_split(VENDORS, DISEASES)
    (tmp_path / "MnM2" / "dataset_information.csv").unlink()
    with pytest.raises(CohortError, match="no CSV of M&Ms-2"):
        published_split_of(tmp_path)


def test_the_authors_files_are_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "split.yaml"
    path.write_text(
        '"test":\n  "mm1":\n  - "A1D9Z7"\n  "mm2":\n  - "281"\n"train":\n  "mm2":\n  - "101"\n'
        '"valid":\n  "mm1":\n  - "A2C0I1"\n'
    )
    split = read_authors_split(path)
    expected = {"A1D9Z7": Role.TEST, "281": Role.TEST, "101": Role.TRAIN, "A2C0I1": Role.VALIDATION}
    assert split == Split(expected)
    written = tmp_path / "again.yaml"
    write_authors_split(written, split)
    assert yaml.safe_load(written.read_text()) == yaml.safe_load(path.read_text())
    assert read_authors_split(written) == split


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "- a",
        "train: {mm3: [a]}",
        "train: [a]",
        "training: {mm1: [a]}",
        "train: {mm1: a}",
        "train: {mm1: [a]}\ntest: {mm1: [a]}",
    ],
)
def test_files_of_another_form(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.yaml").write_text(text)
    with pytest.raises(CohortError, match=r"split\.yaml"):
        read_authors_split(tmp_path / "split.yaml")
