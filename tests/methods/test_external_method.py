"""A method in a separate package, exactly as in the documentation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cohort_helpers import write_beating_cohort
from places import ROOT

FILES = dict(
    re.findall(
        r'^```\w+ title="([^"]+)"\n(.*?)^```$',
        (ROOT / "docs" / "extending.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
WINDOW = """
from qtpy.QtWidgets import QApplication
from napari_cmr_ssp.panels.train.view import TrainView
app = QApplication([])
view = TrainView()
print([view.method.itemText(place) for place in range(view.method.count())])
"""
LIGHT = """
import sys
from cmr_ssp.recipes import method_names, preset_names
print(method_names(), preset_names())
assert not {"torch", "monai", "lightning_fabric"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the package with the metadata of an installation; return its folder."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return folder


def run_python(installed: Path, *arguments: str) -> str:
    """Run Python in a new process that finds the package; return its output."""
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed_and_neither_list_loads_torch(installed: Path) -> None:
    assert "rotation/cpu-small" in run_python(installed, "-m", "cmr_ssp.cli", "recipe", "list")
    listed = run_python(installed, "-c", LIGHT)
    assert "'rotation'" in listed and "'rotation/cpu-small'" in listed


@pytest.mark.slow
def test_it_pretrains_resumes_and_hands_its_encoder_on(installed: Path, tmp_path: Path) -> None:
    cohort = write_beating_cohort(tmp_path / "cohort", "abcd")
    runs = tmp_path / "runs"
    command = ("-m", "cmr_ssp.cli")
    few = ("--device", "cpu", "--set", "updates=2", "--set", "batch_size=2", "--set", "threads=1")
    pretraining = ("pretrain", str(cohort), "--run", str(runs / "rotation"), "--preset", "rotation/cpu-small")
    run_python(installed, *command, *pretraining, *few)
    header, *rows = (runs / "rotation" / "history.csv").read_text().splitlines()
    assert len(rows) >= 1 and "loss" in header
    assert "method: rotation" in (runs / "rotation" / "recipe.yaml").read_text()
    run_python(installed, *command, *pretraining[:4], "--resume")
    tuning = ("finetune", str(cohort), "--run", str(runs / "tuned"), "--from", str(runs / "rotation"))
    told = run_python(installed, *command, *tuning, "--subjects", "1", *few)
    assert (runs / "tuned" / "last.safetensors").is_file()
    assert "loaded" in told


@pytest.mark.usefixtures("qapp")
def test_the_window_offers_it_after_the_built_in_methods(installed: Path) -> None:
    listed = run_python(installed, "-c", WINDOW)
    assert listed.index("Masked image modelling") < listed.index("DINO") < listed.index("Rotation prediction")
