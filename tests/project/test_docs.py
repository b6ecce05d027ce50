"""Commands and Python of README and documentation run as they stand, and the Python passes mypy."""

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
from cohort_helpers import tiny_presets, write_beating_cohort
from dicom_helpers import save_exam, siemens
from places import ROOT

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of code of a page in one language; commands have none."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [code for named, code in found if named == language]


PAGES = {
    str(page.relative_to(ROOT)): "\n".join(blocks(page, "python"))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
SNIPPETS = {name: code for name, code in PAGES.items() if code}
COMMANDS = {
    page: blocks(ROOT / page, "")
    for page in (
        "README.md",
        "docs/sharing.md",
        "docs/walkthrough-clinician.md",
        "docs/walkthrough-researcher.md",
    )
}
"""Commands by page; those of a page are run one after the other."""


def test_there_is_something_to_run() -> None:
    assert "README.md" in SNIPPETS
    assert {page: len(blocks) for page, blocks in COMMANDS.items()} == {
        "README.md": 2,
        "docs/sharing.md": 2,
        "docs/walkthrough-clinician.md": 2,
        "docs/walkthrough-researcher.md": 4,
    }


def run(page: str, folder: Path) -> None:
    """Run a page's Python as it stands, in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        tiny_presets(patch)
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


# ---- commands -----------------------------------------------------------------------------------

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
def clinic(tmp_path: Path, place: Path) -> Path:
    """A folder with all that commands name: a cohort, a DICOM exam, an edited segmentation, a run."""
    folder = tmp_path / "clinic"
    shutil.copytree(place / "runs" / "tuned", folder / "runs" / "colleague")
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


@pytest.mark.parametrize("page", COMMANDS)
def test_commands_of_the_documentation_run_as_they_stand(
    page: str,
    clinic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = calls_of("".join(COMMANDS[page]), tmp_path)
    tiny_presets(monkeypatch)
    monkeypatch.chdir(clinic)
    for program, *arguments in calls:
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.M), arguments
            continue
        if arguments[0] in ("export", "volumes"):
            draw_beat(clinic)  # a network that trained for a second finds no ventricle
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code, (arguments, capsys.readouterr())


def test_extras_that_readme_installs_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r'pip install ./engine "\.\[([\w-]+)\]"', text)
    assert named
    assert set(named) <= set(extras)
