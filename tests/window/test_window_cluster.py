"""A training from the window on a scheduler of dask looks like one of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.cluster import embedded_cluster
from cohort_helpers import mim, write_beating_cohort
from window_helpers import ENDLESS, Wait, ask, docked, idle, open_folder, runs_view, state, train_view

from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address(cache: Path) -> Iterator[str]:
    with embedded_cluster(1) as client:
        yield client.scheduler.address


@pytest.fixture
def bench(viewer: Any, address: str, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(viewer, tmp_path)
    bench.preferences = Preferences("cpu", 1, tmp_path, scheduler=address)
    open_folder(bench, write_beating_cohort(tmp_path / "cohort", "abcd"), wait)
    yield bench
    bench.close_down()


def test_it_trains_shows_its_curve_and_stops(bench: Workbench, wait: Wait) -> None:
    run = ask(bench, mim(updates=ENDLESS, epochs=None), pretrains=True)
    wait(lambda: len(train_view(bench).curves.losses) > 2)
    assert bench.job_bar.title.text() == f"Pretrain {run.name} on the cluster"
    assert state(run) is None or state(run) == "running"
    bench.job_bar.keep.click()
    wait(lambda: idle(bench))
    assert state(run) == "stopped"
    wait(lambda: any(each.folder == run for each in runs_view(bench).runs.runs))


def test_a_scheduler_that_is_gone_is_named(bench: Workbench, tmp_path: Path, wait: Wait) -> None:
    bench.preferences = Preferences("cpu", 1, tmp_path, scheduler="tcp://gpu-server:8786")
    ask(bench, mim(), pretrains=True)
    wait(lambda: "neither encrypted nor on this machine" in bench.job_bar.problems.text())
    wait(lambda: idle(bench))
