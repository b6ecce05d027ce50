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


@pytest.mark.parametrize("page", SNIPPETS)
def test_python_of_the_documentation_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands, in a folder that holds FOLDER and CINE.nii.gz; the presets are made tiny."""

    def tiny(name: str) -> str:
        method = name.partition("/")[0]
        return recipe_yaml(mim() if method == "mim" else segmentation(method=method))

    monkeypatch.setattr(load, "_preset_text", tiny)
    write_beating_cohort(tmp_path / "FOLDER", "abcdefgh")
    shutil.copy(tmp_path / "FOLDER" / "a.nii.gz", tmp_path / "CINE.nii.gz")
    monkeypatch.chdir(tmp_path)
    exec(compile(SNIPPETS[page], page, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", SNIPPETS)
def test_python_of_the_documentation_passes_the_type_checker(page: str, tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPETS[page])
    config = str(ROOT / "pyproject.toml")
    command = [sys.executable, "-m", "mypy", "--config-file", config, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
