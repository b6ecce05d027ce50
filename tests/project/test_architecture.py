"""The pictures, tables and settings of the project say what is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from types import ModuleType

import cmr_ssp
import pytest
import yaml
from places import ROOT

DECISIONS = sorted(path for path in (ROOT / "docs" / "decisions").glob("*.md") if path.name != "index.md")
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def layers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layers", ROOT / "docs" / "layers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_those_of_the_contracts(layers: ModuleType) -> None:
    drawn = layers.drawings()
    assert len(drawn) >= 3
    for name, svg in drawn.items():
        assert (ROOT / "docs" / "images" / name).read_text(encoding="utf-8") == svg, "run make layers"
        assert f"images/{name}" in PAGE


def test_every_package_is_in_a_picture(layers: ModuleType) -> None:
    pictures = "".join(layers.drawings().values())
    engine = ROOT / "engine" / "cmr_ssp"
    for folder in (engine, engine / "files", ROOT / "napari_cmr_ssp"):
        packages = [path.parent.name for path in folder.glob("*/__init__.py")]
        assert packages
        assert [name for name in packages if f">{name}</text>" not in pictures] == []


def test_places_that_the_page_names_exist() -> None:
    places = re.findall(r"`((?:engine|napari_cmr_ssp|tests|docs)/[^`*<]+)`", PAGE)
    assert len(places) >= 10
    assert [name for name in places if not (ROOT / name).exists()] == []


def test_every_decision_is_numbered_and_listed() -> None:
    listed = (ROOT / "docs" / "decisions" / "index.md").read_text(encoding="utf-8")
    for number, page in enumerate(DECISIONS, 1):
        title = re.match(rf"# {number}\. (.+)\n", page.read_text(encoding="utf-8"))
        assert title, page.name
        assert f"| {number} | [{title[1]}]({page.name}) |" in listed
        assert page.name.startswith(f"{number:04d}-")


def test_citation_has_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == cmr_ssp.__version__
    assert cited["references"][0]["authors"]


def test_continuous_integration_runs_what_the_project_promises() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = {c.rpartition(" ")[2] for c in project["classifiers"] if "Python :: 3." in c}
    assert set(matrix["python"]) == promised
    assert {name.partition("-")[0] for name in matrix["system"]} == {"ubuntu", "windows", "macos"}
    assert set(matrix["binding"]) <= set(project["optional-dependencies"])


def test_hooks_check_what_lint_checks() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"].split()[0] for hook in config["repos"][0]["hooks"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lint = re.search(r"^lint: install\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert lint is not None
    assert set(re.findall(r"\$\(BIN\)/([\w-]+)", lint[1])) <= set(entries)


@pytest.mark.parametrize(("mark", "folder"), [("slow", "tests/slow"), ("real_data", "tests/real_data")])
def test_marks_leave_out_what_they_name(mark: str, folder: str) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", folder]
    done = subprocess.run(
        [*command, "-m", f"not {mark}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stdout  # nothing was left to collect
