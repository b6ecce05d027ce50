"""The page about the small experiment shows what its committed records say."""

from __future__ import annotations

import json
import re
import runpy

from cmr_ssp.experiments.cells import cells_of
from cmr_ssp.experiments.file import load_experiment
from cmr_ssp.experiments.results import read_results
from places import ROOT

PAGE = ROOT / "docs" / "small-experiment.md"
SCRIPT = runpy.run_path(str(ROOT / "docs" / "small_experiment.py"))
FOLDER = SCRIPT["FOLDER"]


def test_the_tables_are_those_of_the_records() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert SCRIPT["with_tables"](text, read_results(FOLDER)) == text, "run: python docs/small_experiment.py"
    assert "Scratch | " in text and "| 10 | 1000 |" in text


def test_the_records_are_cells_of_the_shipped_experiment_and_name_no_place() -> None:
    known = {cell.id for cell in cells_of(load_experiment("cpu-small"))}
    found = sorted(path.name for path in (FOLDER / "cells").iterdir())
    assert found and set(found) <= known
    for path in FOLDER.rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(^|[\s\"'])/(work|root|tmp|home)/", text), path
    for record in FOLDER.glob("cells/*/cell.json"):
        assert json.loads(record.read_text())["outcome"] == "finished"
