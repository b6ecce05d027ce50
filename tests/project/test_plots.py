"""The plots of the documentation show the committed numbers, which are also in its text."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest
from places import ROOT

DOCS = ROOT / "docs"
PLOTS: dict[str, str] = runpy.run_path(str(DOCS / "plots.py"))["plots"]()


def rows(table: str) -> list[dict[str, str]]:
    with (DOCS / "results" / table).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", PLOTS)
def test_plot_is_drawn_from_the_tables(name: str) -> None:
    assert (DOCS / "images" / name).read_text() == PLOTS[name], "run: python docs/plots.py"
    drawing = ElementTree.fromstring(PLOTS[name])
    assert drawing.get("aria-label")
    dots = drawing.findall("{http://www.w3.org/2000/svg}circle")
    assert all(78 <= float(dot.get("cy", "")) <= 306 for dot in dots), "a dot outside the axes"


def test_every_number_has_a_dot() -> None:
    tables = {
        "labelled-subjects.svg": "labelled_subjects.csv",
        "training-length.svg": "training_length.csv",
        "methods.svg": "methods.csv",
    }
    assert set(tables) == set(PLOTS)
    assert {name: PLOTS[name].count("<circle") for name in PLOTS} == {
        name: len(rows(table)) for name, table in tables.items()
    }


def test_plots_are_linked_from_methods() -> None:
    text = (DOCS / "methods.md").read_text()
    assert all(f"images/{name}" in text for name in PLOTS)


def test_numbers_are_those_of_the_text() -> None:
    text = (DOCS / "methods.md").read_text()
    for row in rows("methods.csv"):
        name = row["start"] + (", as the paper" if row["settings"] == "as the paper" else "")
        cells = " | ".join((name, row["dice"], row["LV"], row["MYO"], row["RV"]))
        assert f"| {cells} |" in text
    tables = text.partition("| training on labels |")[2].partition("\n\n")[0]
    assert all(row["dice"] in tables for row in rows("training_length.csv"))
    tables = text.partition("## Measured: Dice against labelled subjects")[2].partition("## ")[0]
    assert all(f"{float(row['dice']):.3f}" in tables for row in rows("labelled_subjects.csv"))


def test_tables_are_small_and_hold_no_path() -> None:
    for table in (DOCS / "results").glob("*.*"):
        assert table.suffix == ".csv" and table.stat().st_size < 10_000
        assert "/" not in table.read_text()
    assert Path(DOCS / "results" / "labelled_subjects.csv").is_file()
