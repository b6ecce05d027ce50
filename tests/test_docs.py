"""The Python of README and documentation runs and passes the type checker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cmr_ssp.recipes import load, recipe_yaml
from cohort_helpers import mim, segmentation, write_beating_cohort
from conftest import ROOT

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {
    str(page.relative_to(ROOT)): "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8")))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
SNIPPETS = {name: code for name, code in PAGES.items() if code}


def test_there_is_something_to_run() -> None:
    assert "README.md" in SNIPPETS


def tiny(name: str) -> str:
    """Return a recipe of a preset's method that trains in a second."""
    method = name.partition("/")[0]
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
