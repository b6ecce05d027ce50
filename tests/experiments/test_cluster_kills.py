"""Workers and clients that are killed over and over leave the tables of an undisturbed run, bit for bit."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tiny_experiment import SMALL, results, tiny

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL"),
]
pytest.importorskip("distributed")

EXPERIMENT = tiny(
    updates=[400],
    seeds={"training": [0, 1, 2]},
    controls=[],
    settings=[*SMALL, "checkpoint_every=20"],
    pretraining_settings=[*SMALL, "updates=400", "checkpoint_every=20"],
)
N_WORKERS_KILLED, N_CLIENTS_KILLED = 10, 2


def started(file: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cmr_ssp.cli", "experiment", "run", str(file), "--out", str(folder)]
    options = ["--device", "cpu", *more]
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [each for each in children if "spawn_main" in " ".join(each.cmdline())]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "experiment.yaml"
    path.write_text(EXPERIMENT.text)
    return path


@pytest.fixture(scope="module")
def undisturbed(file: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed") / "experiment"
    assert started(file, folder).wait(600) == 0
    return results(folder)


def test_ten_killed_workers_change_nothing(file: Path, undisturbed: dict[str, str], tmp_path: Path) -> None:
    process, n_killed = started(file, tmp_path / "experiment", "--workers", "2"), 0
    for line in lines(process):
        if n_killed < N_WORKERS_KILLED and "/400" in line:
            at_work = workers(process)
            at_work[n_killed % len(at_work)].kill()
            n_killed += 1
    assert process.wait(60) == 0
    assert n_killed == N_WORKERS_KILLED
    assert results(tmp_path / "experiment") == undisturbed


def test_two_killed_clients_change_nothing(file: Path, undisturbed: dict[str, str], tmp_path: Path) -> None:
    for number in range(N_CLIENTS_KILLED + 1):
        process = started(file, tmp_path / "experiment", "--workers", "2")
        orphans: list[psutil.Process] = []
        for line in lines(process):
            if number < N_CLIENTS_KILLED and "/400" in line:
                time.sleep(1.0)
                orphans = workers(process)
                process.kill()
        process.wait(60)
        _, alive = psutil.wait_procs(orphans, timeout=60)
        assert not alive, "workers outlive their client"
    assert process.returncode == 0
    assert results(tmp_path / "experiment") == undisturbed
