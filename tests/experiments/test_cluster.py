"""Experiments on dask.distributed: the same results on several workers, by TLS, and after a killed worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.cluster import StopFile, embedded_cluster, gpu_of, is_safe, running_scheduler
from cmr_ssp.errors import OutputError
from cmr_ssp.events import Cancel
from cmr_ssp.experiments.cell_work import CellWork
from cmr_ssp.experiments.cells import cells_of
from cmr_ssp.experiments.cluster import CellProgress, OnCluster
from cmr_ssp.experiments.running import Finished, run_experiment
from cohort_helpers import write_beating_cohort
from places import ROOT
from tiny_experiment import SMALL, results, tiny

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")
trustme = pytest.importorskip("trustme")

LONGER = tiny(
    updates=[30],
    seeds={"training": [0, 1]},
    controls=[],
    pretraining_settings=[*SMALL, "updates=30"],
)


@pytest.fixture(scope="module")
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beating_cohort(tmp_path_factory.mktemp("hearts") / "cohort", list("abcdef"))


def run(folder: Path, hearts: Path, **options: Any) -> Finished:
    return run_experiment(LONGER, folder, {"labelled": hearts}, device="cpu", **options)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, hearts: Path, cache: Path) -> dict[str, str]:
    """The results of cells that ran one after another in one process."""
    folder = tmp_path_factory.mktemp("alone") / "experiment"
    assert not run(folder, hearts).problems
    return results(folder)


@dataclass
class Cluster:
    """A scheduler and its workers, each a process, which talk by TLS."""

    address: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> None:
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_" + ("worker" if name != "scheduler" else name),
        ]
        log = subprocess.DEVNULL
        self.processes[name] = subprocess.Popen([*command, *words], stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        os.kill(self.processes[name].pid, signal.SIGKILL)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Cluster]:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    ca, pair = tmp_path / "ca.pem", tmp_path / "pair.pem"
    authority.cert_pem.write_to_path(str(ca))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pair))
    secrets = ["--tls-ca-file", str(ca), "--tls-cert", str(pair), "--tls-key", str(pair)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tls://127.0.0.1:{free.getsockname()[1]}"
    places = (str(ROOT / "engine"), str(ROOT), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = Cluster(address)
    port = address.rpartition(":")[2]
    found.start("scheduler", "--host", "tls://127.0.0.1", "--port", port, "--no-dashboard", *secrets)
    for name in ("one", "two"):
        options = ("--host", "127.0.0.1", "--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        found.start(name, address, *options, *secrets)
    tls = {"ca-file": str(ca), "client.cert": str(pair), "client.key": str(pair)}
    with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in tls.items()}):
        yield found
    for process in found.processes.values():
        process.kill()
        process.wait(30)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_worker_changes_nothing_and_all_is_encrypted(
    cluster: Cluster, alone: dict[str, str], hearts: Path, tmp_path: Path
) -> None:
    killed: list[str] = []

    def kill(progress: CellProgress) -> None:
        if progress.updates and not killed:
            killed.append(progress.worker)
            cluster.kill(progress.worker)

    folder = tmp_path / "experiment"
    with running_scheduler(cluster.address) as client:
        client.wait_for_workers(2, timeout=60)
        ended = run(folder, hearts, execute=OnCluster(client, kill))
        assert len(client.scheduler_info()["workers"]) == 1
    assert killed and killed[0] in ("one", "two")
    assert not ended.problems and not ended.waiting
    assert results(folder) == alone
    with (
        pytest.raises(OutputError, match="cannot be reached"),
        running_scheduler(cluster.address.replace("tls", "tcp")),
    ):
        pass


def test_an_embedded_cluster_stops_on_request_and_goes_on(
    alone: dict[str, str], hearts: Path, tmp_path: Path
) -> None:
    folder, cancel, told = tmp_path / "experiment", Cancel(), []

    def stop(progress: CellProgress) -> None:
        told.append(progress)
        if progress.updates:
            cancel.request()

    with embedded_cluster(2) as client:
        first = run(folder, hearts, execute=OnCluster(client, stop), cancel=cancel)
        assert first.stopped and first.waiting and not first.problems
        assert not (folder / ".stop").exists()
        second = run(folder, hearts, execute=OnCluster(client, lambda progress: None))
    assert {progress.worker for progress in told} <= {"0", "1"}
    assert not second.problems and not second.waiting
    assert results(folder) == alone


def test_a_failed_cell_stops_no_other(hearts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "experiment"
    cells = folder / "cells"
    cells.mkdir(parents=True)
    (folder / "experiment.yaml").touch()
    names = [cell.id for cell in cells_of(LONGER) if cell.method == "scratch"]
    (cells / names[0]).write_text("in the way")
    with embedded_cluster(1) as client:
        ended = run(folder, hearts, execute=OnCluster(client, lambda progress: None))
    assert ended.failed == (names[0],)
    assert len(ended.done) == 4


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("tls://gpu-server:8786", True),
        ("tcp://127.0.0.1:8786", True),
        ("localhost:8786", True),
        ("tcp://[::1]:8786", True),
        ("tcp://10.0.0.7:8786", False),
        ("tcp://gpu-server:8786", False),
        ("gpu-server:8786", False),
    ],
)
def test_only_encrypted_or_local_schedulers_are_safe(address: str, safe: bool) -> None:
    assert is_safe(address) is safe
    if not safe:
        with pytest.raises(OutputError, match="neither encrypted nor on this machine"):
            running_scheduler(address).__enter__()


def test_each_worker_sees_one_gpu_of_several() -> None:
    assert [gpu_of(name, 2) for name in (0, 1, 2)] == [
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "1"},
        {"CUDA_VISIBLE_DEVICES": "0"},
    ]
    assert gpu_of("tcp://127.0.0.1:5", 1) == gpu_of(0, 0) == {}


def test_a_stop_file_is_seen_by_others_and_withdrawn(tmp_path: Path) -> None:
    path = tmp_path / ".stop"
    one, other = StopFile(path), StopFile(path)
    assert not other.requested
    one.request()
    assert StopFile(path).requested
    assert CellWork(tmp_path, {}, "cpu").run(None, lambda event: None, StopFile(path)) == ()  # type: ignore[arg-type]
    one.clear()
    assert not StopFile(path).requested
