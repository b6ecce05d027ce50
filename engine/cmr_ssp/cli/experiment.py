"""``cmr-ssp experiment``: many trainings from one file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cmr_ssp.cli.options import Device, Shown
from cmr_ssp.cli.progress import exit_if_stopped, reporting
from cmr_ssp.cli.terminal import Terminal, make_table
from cmr_ssp.errors import CohortError
from cmr_ssp.events import Event, JobEnded, Outcome

if TYPE_CHECKING:
    from cmr_ssp.cli.progress import ProgressReport
    from cmr_ssp.experiments.cell_work import Execute
    from cmr_ssp.experiments.cells import Cell
    from cmr_ssp.experiments.cluster import CellProgress
    from cmr_ssp.experiments.planning import Plan, PlannedCell

_GIB = 2**30
_PROGRESS_EVERY_S = 10.0
_UNKNOWN = "?"

File = Annotated[str, Parameter(help="Experiment file (YAML), or a shipped name: phantom, cpu-small, paper.")]
Data = Annotated[
    list[str] | None,
    Parameter(name="--data", negative=(), help="Folder of data by its name in the file: NAME=FOLDER."),
]
KeepWeights = Annotated[
    Literal["none", "last", "all"],
    Parameter(help="Weights to keep: those that later cells need, the last checkpoints, or everything."),
]


def plan(
    file: File,
    *,
    data: Data = None,
    out: Annotated[Path | None, Parameter(help="Experiment folder, for what is done already.")] = None,
    measure: Annotated[
        bool, Parameter(negative=(), help="Measure the paper's networks here, in about half a minute.")
    ] = False,
    keep_weights: KeepWeights = "last",
    device: Device = "auto",
    terminal: Shown,
) -> None:
    """Print the cells of an experiment with time, memory and disk; no pixels are read."""
    from cmr_ssp.experiments.file import load_experiment
    from cmr_ssp.experiments.planning import plan_experiment

    folders = parse_data(data)
    planned = plan_experiment(load_experiment(file), folders, out, device=device, measure=measure)
    _show_plan(planned, terminal)
    done, disk = len(planned.cells) - len(planned.to_do), planned.disk_bytes(keep_weights)
    total, memory = _time(planned.seconds), _size(planned.memory_bytes)
    terminal.show(
        f"{len(planned.cells)} cells, {done} done; about {total} one after another, "
        f"{memory} of memory, {_size(disk)} of disk"
    )
    if planned.seconds is None:
        terminal.note("some times are unknown: give --data, or --measure on the machine that will run it")
    terminal.give(
        cells=[
            {"id": each.cell.id, "done": each.done, "updates": each.updates, "seconds": each.seconds}
            for each in planned.cells
        ],
        seconds=planned.seconds,
        memory_bytes=planned.memory_bytes,
        disk_bytes=disk,
    )


def run(
    file: File,
    *,
    out: Annotated[Path, Parameter(help="Experiment folder, new or to be continued.")],
    data: Data = None,
    keep_weights: KeepWeights = "last",
    device: Device = "auto",
    workers: Annotated[int, Parameter(help="Processes that run cells at the same time on this machine.")] = 1,
    scheduler: Annotated[
        str | None, Parameter(help="Address of a running scheduler of dask, such as tls://HOST:8786.")
    ] = None,
    insecure: Annotated[
        bool, Parameter(negative=(), help="Allow a scheduler on another machine without encryption.")
    ] = False,
    terminal: Shown,
) -> None:
    """Run the cells that are not done; failed ones are retried by the next call.

    One after another in this process, unless there are several workers or a scheduler.
    """
    from cmr_ssp.experiments.file import load_experiment
    from cmr_ssp.experiments.running import run_experiment

    experiment, folders = load_experiment(file), parse_data(data)
    with (
        reporting(terminal) as (report, cancel),
        _executing(workers, scheduler, report, terminal, insecure=insecure) as execute,
    ):
        ended = run_experiment(
            experiment,
            out,
            folders,
            device=device,
            keep_weights=keep_weights,
            execute=execute,
            cancel=cancel,
        )
    for problem in ended.problems:
        terminal.error(problem)
    counts = f"{len(ended.done)} cells done, {len(ended.failed)} failed, {len(ended.waiting)} to do"
    terminal.show(f"{counts} -> {out}")
    if ended.stopped or ended.failed:
        terminal.note("the same command continues it, and retries what failed")
    terminal.give(written=out, done=ended.done, failed=ended.failed, waiting=ended.waiting)
    exit_if_stopped(Outcome.STOPPED if ended.stopped else Outcome.FINISHED)
    if ended.failed:
        sys.exit(1)


@contextmanager
def _executing(
    workers: int, scheduler: str | None, report: ProgressReport, terminal: Terminal, *, insecure: bool
) -> Iterator[Execute]:
    """Choose where the cells run."""
    if scheduler is None and workers == 1:
        yield _in_turn(report, terminal)
        return
    from cmr_ssp.cluster import embedded_cluster, running_scheduler
    from cmr_ssp.experiments.cluster import OnCluster

    if scheduler is None:
        connected = embedded_cluster(workers)
    else:
        connected = running_scheduler(scheduler, insecure=insecure)
    with connected as client:
        yield OnCluster(client, _Told(terminal))


def _in_turn(report: ProgressReport, terminal: Terminal) -> Execute:
    from cmr_ssp.experiments.cell_work import InTurn

    def listen(event: Event) -> None:
        if not isinstance(event, JobEnded):  # it would advise --resume
            report(event)

    def announce(cell: Cell, number: int, total: int) -> None:
        report.restart()
        terminal.note(f"cell {number} of {total}: {cell.id}")

    return InTurn(listen, announce)


class _Told:
    """Prints where a cell begins, and how far each is every few seconds."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._when = terminal, dict[str, float]()

    def __call__(self, progress: CellProgress) -> None:
        now = time.monotonic()
        if not progress.updates:
            self._terminal.note(f"{progress.cell}: begins on worker {progress.worker}")
        elif now - self._when.get(progress.cell, 0.0) > _PROGRESS_EVERY_S:
            self._when[progress.cell] = now
            left = "" if progress.seconds_left is None else f", {_time(progress.seconds_left)} left"
            self._terminal.note(f"{progress.cell}: {progress.update}/{progress.updates}{left}")


def show(file: File, *, terminal: Shown) -> None:
    """Print an experiment file, to edit and run."""
    from cmr_ssp.experiments.file import experiment_text

    text = experiment_text(file)
    terminal.show(text.removesuffix("\n"))
    terminal.give(experiment=text)


def parse_data(texts: Sequence[str] | None) -> dict[str, Path]:
    """Parse ``NAME=FOLDER`` pairs.

    Raises
    ------
    CohortError
        If one is no pair or a name is given twice.
    """
    folders: dict[str, Path] = {}
    for text in texts or ():
        name, _, folder = text.partition("=")
        if not (name and folder) or name in folders:
            what = "gives a name twice" if name in folders else "is not NAME=FOLDER"
            raise CohortError.of(f"--data {text}", what, "Write, for example, --data mnms=FOLDER.")
        folders[name] = Path(folder)
    return folders


def _show_plan(planned: Plan, terminal: Terminal) -> None:
    """Print every pretraining with the cells that start from it below it."""
    children: dict[str | None, list[PlannedCell]] = {}
    for each in planned.cells:
        children.setdefault(each.cell.parent, []).append(each)
    rows = []
    for each in children[None]:
        rows.append(_row(each, ""))
        rows += [_row(child, "  ") for child in children.get(each.cell.id, ())]
    terminal.show(make_table(("cell", "updates", "time"), rows))


def _row(each: PlannedCell, indent: str) -> tuple[str, ...]:
    updates = _UNKNOWN if each.updates is None else str(each.updates)
    return indent + each.cell.id, updates, "done" if each.done else _time(each.seconds)


def _time(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else str(timedelta(seconds=round(seconds)))


def _size(n_bytes: int | None) -> str:
    return _UNKNOWN if n_bytes is None else f"{n_bytes / _GIB:.1f} GiB"
