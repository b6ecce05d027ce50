"""Damaged and malicious files: a named error or the very result of the valid file, soon and in little memory.

Each kind of file is read in a process of its own, see `hostile_worker`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hostile_worker import KINDS, SECONDS
from places import HELPERS

DAMAGED = {"image.nii": 50, "image.nii.gz": 50, "last.safetensors": 50}
USUALLY = 30
FINE = {"error", "equal", "other"}


@pytest.mark.skipif(sys.platform == "win32", reason="the worker needs alarms")
@pytest.mark.parametrize("name", KINDS)
def test_hostile_files(name: str, tmp_path: Path) -> None:
    worker = HELPERS / "hostile_worker.py"
    n = DAMAGED.get(name, USUALLY)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"}
    command = [sys.executable, str(worker), name, str(n), str(tmp_path / "hostile")]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert cases[0]["outcome"] == "equal", "the valid file itself is refused here"
    bad = [case for case in cases if case["outcome"] not in FINE or case["seconds"] > SECONDS]
    assert not bad, "\n".join(f"{case['case']}: {case['outcome']}" for case in bad)
    assert len(cases) > n
    counts = Counter(case["outcome"] for case in cases)
    assert counts["error"] > len(cases) / 4, "the files are hardly hostile"
    assert sorted(path.name for path in (tmp_path).iterdir()) == ["hostile"]


def test_there_are_enough_cases() -> None:
    assert sum(DAMAGED.get(name, USUALLY) for name in KINDS) >= 300
