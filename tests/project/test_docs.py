"""README's commands run as they stand, and so does all Python of the documentation, which passes mypy too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.cli import main
from cmr_ssp.files import (
    open_cine,
    open_cohort,
    open_stack,
    read_segmentation,
    resolve_subject,
    write_segmentation,
)
from cmr_ssp.recipes import load, recipe_yaml
from cohort_helpers import mim, segmentation, write_beating_cohort
from dicom_helpers import save_exam, siemens
from places import ROOT

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {
    str(page.relative_to(ROOT)): "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8")))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
SNIPPETS = {name: code for name, code in PAGES.items() if code}


COMMANDS = [
    block
    for language, block in re.findall(
        r"^```(\w*)\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    if not language
]


def test_there_is_something_to_run() -> None:
    assert "README.md" in SNIPPETS
    assert sum("cmr-ssp " in block for block in COMMANDS) >= 2


preset_text = load._preset_text


def tiny(name: str) -> str:
    """Return a recipe of a preset's method that trains in a second."""
    method = name.partition("/")[0]
    if method not in ("mim", "finetune", "scratch"):
        return preset_text(name)  # no page trains by it
    return recipe_yaml(mim() if method == "mim" else segmentation(method=method))


def run(page: str, folder: Path) -> None:
    """Run a page's Python as it stands, in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_preset_text", tiny)
        patch.chdir(folder)
        exec(compile(SNIPPETS[page], page, "exec"), {"__name__": "__main__"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with FOLDER and CINE.nii.gz, and the runs that README's Python leaves."""
    path = tmp_path_factory.mktemp("place")
    write_beating_cohort(path / "FOLDER", "abcdefgh")
    shutil.copy(path / "FOLDER" / "a.nii.gz", path / "CINE.nii.gz")
    run("README.md", path)
    return path


def test_python_of_readme_runs(place: Path) -> None:
    assert (place / "segmented" / "CINE_seg.nii.gz").is_file()
    assert (place / "runs" / "tuned" / "scores.csv").is_file()


@pytest.mark.parametrize("page", [page for page in SNIPPETS if page != "README.md"])
def test_python_of_the_documentation_runs(page: str, place: Path) -> None:
    run(page, place)


@pytest.mark.parametrize("page", SNIPPETS)
def test_python_of_the_documentation_passes_the_type_checker(page: str, tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPETS[page])
    config = str(ROOT / "pyproject.toml")
    command = [sys.executable, "-m", "mypy", "--config-file", config, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", ["docs/extending.md"])
def test_files_that_the_documentation_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:engine|tests|napari_cmr_ssp)/[^`]+)`", text)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
    for constant, file in re.findall(r"`([A-Z_]{3,})` (?:in|of)\n? *`([^`]+\.py)`", text):
        assert re.search(rf"\b{constant}\b", (ROOT / file).read_text()), f"{constant} in {file}"


# ---- README's commands --------------------------------------------------------------------------

SHIM = '#!/bin/sh\nprintf "%s\\0" "${0##*/}" "$@" "" >> "$CALLS"\n'
"""Stands for a program: leaves its name and arguments, and an empty one at the end, in a file."""


def calls_of(block: str, folder: Path) -> list[list[str]]:
    """Let the shell read a block of commands, loops and comments included; return what it would start."""
    programs, calls = folder / "programs", folder / "calls"
    programs.mkdir()
    for name in ("cmr-ssp", "make", "pip"):
        (programs / name).write_text(SHIM)
        (programs / name).chmod(0o755)
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)}
    command = ["bash", "-euc", block]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ends = calls.read_text().removesuffix("\0\0").split("\0\0")
    return [end.split("\0") for end in ends]


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A folder with all that README's commands name: a cohort, a DICOM exam, an edited segmentation."""
    folder = tmp_path / "clinic"
    write_beating_cohort(folder / "FOLDER", ["ID", *"abcdefgh"])
    shutil.copytree(folder / "FOLDER", folder / "ACDC")
    save_exam(folder / "EXAM", siemens())
    cohort = open_cohort(folder / "FOLDER")
    subject = cohort.subject("ID")
    stack = open_stack(subject)
    edited = np.zeros(stack.shape, np.uint8)
    for phase in subject.phases:
        drawn = read_segmentation(resolve_subject(subject), phase)
        edited[drawn.frame] = drawn.labels
    write_segmentation(folder / "EDITED.nii.gz", edited, stack)
    return folder


def draw_beat(folder: Path) -> None:
    """Put a ventricle that beats in the place of CINE_seg.nii.gz."""
    stack = open_cine(folder / "CINE.nii.gz")
    labels = np.zeros(stack.shape, np.uint8)
    for t in range(stack.n_frames):
        side = 2 + abs(t - stack.n_frames // 2)
        labels[t, :, :side, :side] = Structure.LV
    write_segmentation(folder / "CINE_seg.nii.gz", labels, stack, replace=True)


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.split("#")[0].strip()[:30])
def test_commands_of_readme_run_as_they_stand(
    block: str,
    clinic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = calls_of(block, tmp_path)
    monkeypatch.setattr(load, "_preset_text", tiny)
    monkeypatch.chdir(clinic)
    for program, *arguments in calls:
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.M), arguments
            continue
        if arguments[0] == "export":
            draw_beat(clinic)  # a network that trained for a second finds no ventricle
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code, (arguments, capsys.readouterr())


def test_extras_that_readme_installs_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r'pip install "\.\[([\w-]+)\]"', text)
    assert named
    assert set(named) <= set(extras)
