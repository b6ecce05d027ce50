"""A window that is killed while somebody corrects loses at most ten seconds of the work."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from cmr_ssp.editing.drafts import read_draft
from cmr_ssp.phantoms import write_phantom_cohort
from places import ROOT

LOST_S = 10.0
EDITED_S = 14.0


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_window_loses_at_most_ten_seconds(tmp_path: Path, qapp: object) -> None:
    write_phantom_cohort(tmp_path / "cohort", 1, seed=5)
    worker = ROOT / "tests" / "helpers" / "correcting_worker.py"
    command = [sys.executable, str(worker), str(tmp_path / "cohort"), str(tmp_path / "workspace")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        cine, *shape = process.stdout.readline().split()
        began, edits = time.time(), {}
        for line in process.stdout:
            number, when = line.split()
            edits[int(number)] = float(when)
            has_draft = any((tmp_path / "workspace" / "drafts").glob("*.npz"))
            if float(when) - began > EDITED_S and has_draft:
                break
        process.kill()
        killed = time.time()
    draft = read_draft(tmp_path / "workspace" / "drafts", cine, tuple(map(int, shape)))
    assert draft is not None
    n_kept = int(draft.labels.any(axis=(2, 3)).sum())
    n_due = max(number for number, when in edits.items() if killed - when > LOST_S)
    assert n_due >= 3 and n_kept >= n_due
