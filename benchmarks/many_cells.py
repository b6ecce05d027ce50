"""What the scheduler costs: many cells that only sleep, on several workers of this machine.

Prints the time beside the shortest possible one, and the most memory of the process that plans and schedules.
The cells are real ones of an experiment file; their work is replaced by sleeping, so nothing is trained.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml
from cmr_ssp.cluster import embedded_cluster
from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel, OnEvent
from cmr_ssp.experiments.cell_work import CellWork
from cmr_ssp.experiments.cells import Cell, cells_of
from cmr_ssp.experiments.cluster import OnCluster
from cmr_ssp.experiments.file import parse_experiment
from common import verdict

MIB, MOST_MIB, MOST_OVERHEAD = 1 << 20, 1024.0, 0.02


@dataclass(frozen=True, slots=True)
class Sleeping(CellWork):
    """Work that takes a known time and no processor."""

    seconds: float = 1.0

    def run(self, cell: Cell, on_event: OnEvent, cancel: Cancel) -> tuple[Problem, ...]:
        """Sleep."""
        del cell, on_event, cancel
        time.sleep(self.seconds)
        return ()


class Memory:
    """The most memory of this process, looked at ten times a second."""

    def __init__(self) -> None:
        self.most = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        process = psutil.Process()
        while True:
            self.most = max(self.most, process.memory_info().rss)
            time.sleep(0.1)


def planned(n: int) -> tuple[Cell, ...]:
    """Return `n` cells: one pretraining, and trainings from it."""
    grid = {"methods": ["mim"], "preset": "cpu-small", "subjects": [10]}
    tree = {
        "labelled": "none",
        "split": {"test": 20},
        "grids": [grid | {"seeds": {"pretraining": [0], "training": list(range(n - 1))}}],
    }
    return cells_of(parse_experiment(yaml.safe_dump(tree), "many.yaml"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 cells of a tenth of a second")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=4)
    chosen = parser.parse_args()
    n, seconds = (200, 0.1) if chosen.quick else (chosen.cells, chosen.seconds)
    memory, began = Memory(), time.perf_counter()
    cells = planned(n)
    print(f"{len(cells)} cells planned in {time.perf_counter() - began:.1f} s")
    ended: list[str] = []
    with tempfile.TemporaryDirectory() as folder, embedded_cluster(chosen.workers) as client:
        run = OnCluster(client, lambda _: None)
        work, began = Sleeping(Path(folder), {}, "cpu", seconds), time.perf_counter()
        run(cells, work, lambda cell, _: ended.append(cell.id), Cancel())
        took = time.perf_counter() - began
    assert len(ended) == len(cells)
    least = seconds * (1 + (len(cells) - 1) / chosen.workers)
    each_s = (took - least) * chosen.workers / len(cells)
    print(f"{took:.1f} s, at least {least:.1f} s; {1000 * each_s:.1f} ms more a cell")
    verdict("share of a cell that lasts a minute", each_s / 60, MOST_OVERHEAD, at_most=True)
    verdict("MiB of scheduler and plan", memory.most / MIB, MOST_MIB, at_most=True)


if __name__ == "__main__":
    main()
