"""The scripts in ``examples`` run as they stand, each in a process of its own, on a few tiny hearts."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
SIZES = {"subjects": "3", "updates": "2", "epochs": "1"}
SAYS = {
    "pretrain_and_finetune": ("3 subjects, 3 labelled", "scratch {'LV':", "finetune {'LV':"),
    "own_data": ("heart9.nii.gz", "numbers in the engine: [0, 1, 2, 3]", "test:"),
    "own_network": ("phantom-001", "epoch 1: loss"),
    "segment_array": ("frame 7: LV", "Dice of RV at end diastole"),
    "encoder_into_another_model": ("loss of the last batch",),
}
"""What each of them prints, among other things."""


def test_every_example_is_tried_and_short() -> None:
    assert {script.stem for script in SCRIPTS} == set(SAYS)
    for script in SCRIPTS:
        text = script.read_text()
        assert len(text.splitlines()) < 60, script.name
        assert f"python examples/{script.name} --out" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_example_runs(script: Path, tmp_path: Path) -> None:
    text = script.read_text()
    options = [word for name, size in SIZES.items() if f'"--{name}"' in text for word in (f"--{name}", size)]
    command = [sys.executable, str(script), "--out", str(tmp_path / "out"), *options]
    environment = os.environ | {"CMR_SSP_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for said in SAYS[script.stem]:
        assert said in done.stdout, done.stdout
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "cache"}, "files beside --out"
