"""Scripts that no other test runs import what is there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from places import ROOT

SCRIPTS = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "docs").glob("*.py")])
OURS = ("cmr_ssp", "napari_cmr_ssp")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_imports_exists(script: Path) -> None:
    imports = [n for n in ast.walk(ast.parse(script.read_text("utf-8"))) if isinstance(n, ast.ImportFrom)]
    for each in imports:
        if each.module is None or each.module.partition(".")[0] not in OURS:
            continue
        module = importlib.import_module(each.module)
        for name in (alias.name for alias in each.names):
            if not hasattr(module, name):
                importlib.import_module(f"{each.module}.{name}")
