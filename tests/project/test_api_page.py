"""What docs/api.md shows exists and has an example, and the examples run, one after the other."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import cmr_ssp
import pytest
from cohort_helpers import tiny_presets, write_beating_cohort
from places import ROOT

NAMES = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
SCRIPTS = {path.name for path in (ROOT / "examples").glob("*.py")}


def shown(name: str) -> Any:
    """Return what a name of the page stands for."""
    package, _, inside = name.rpartition(".")
    return getattr(resolve_name(package), inside)


def examples_of(name: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(shown(name).__doc__, {}, name, None, None)


def test_page_shows_all_of_the_front_door_and_every_script() -> None:
    assert {f"cmr_ssp.{name}" for name in cmr_ssp.__all__} <= set(NAMES)
    assert set(re.findall(r"`(\w+\.py)`", (ROOT / "docs" / "api.md").read_text())) == SCRIPTS


@pytest.mark.parametrize("name", NAMES)
def test_everything_shown_has_an_example(name: str) -> None:
    assert examples_of(name).examples
    assert "Examples\n" in shown(name).__doc__


def test_examples_of_the_page_run_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_beating_cohort(tmp_path / "FOLDER", "abcdefgh")
    shutil.copy(tmp_path / "FOLDER" / "a.nii.gz", tmp_path / "CINE.nii.gz")
    tiny_presets(monkeypatch)
    monkeypatch.chdir(tmp_path)
    session: dict[str, Any] = {"cmr_ssp": cmr_ssp}
    said: list[str] = []
    for name in NAMES:
        test = examples_of(name)
        test.globs = session  # each continues the one before
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
    assert not said, "".join(said)
