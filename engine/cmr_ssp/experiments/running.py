"""Run an experiment, one cell after another; a later call goes on where this one ended."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cmr_ssp.atomic import write_text
from cmr_ssp.errors import OutputError, Problem
from cmr_ssp.events import Cancel
from cmr_ssp.experiments.cell_work import CellWork, Execute, InTurn
from cmr_ssp.experiments.cells import Cell, cells_of
from cmr_ssp.experiments.data import lock_split, open_data
from cmr_ssp.experiments.environment import write_environment
from cmr_ssp.experiments.file import ExperimentFile
from cmr_ssp.experiments.records import CellFolder, is_done
from cmr_ssp.locking import holding
from cmr_ssp.phantoms import write_phantom_cohort

KeepWeights = Literal["none", "last", "all"]
_PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Finished:
    """How a call ended.

    Attributes
    ----------
    done, failed, waiting : tuple of str
        Ids of the cells that are done, that failed, and that were not begun since one that they need is not
        done or the user stopped.
    problems : tuple of Problem
        One or more for each failed cell, with its id as place.
    stopped : bool
        Whether the user stopped it.
    """

    done: tuple[str, ...]
    failed: tuple[str, ...]
    waiting: tuple[str, ...]
    problems: tuple[Problem, ...]
    stopped: bool


def with_phantoms(experiment: ExperimentFile, folder: Path, data: Mapping[str, Path]) -> dict[str, Path]:
    """Return the folders of the data, after making the phantoms of an experiment that has its own.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    folders = {name: Path(path) for name, path in data.items()}
    if experiment.phantoms is None or experiment.labelled in folders:
        return folders
    cohort = folder / "phantoms"
    if not cohort.exists():
        write_phantom_cohort(cohort, experiment.phantoms.subjects, experiment.phantoms.seed)
    return folders | {experiment.labelled: cohort}


def run_experiment(
    experiment: ExperimentFile,
    folder: Path,
    data: Mapping[str, Path],
    *,
    device: str = "auto",
    keep_weights: KeepWeights = "last",
    execute: Execute = InTurn(),  # noqa: B008 - frozen
    cancel: Cancel | None = None,
) -> Finished:
    """Run every cell that is not done; a failed one does not stop the others.

    Parameters
    ----------
    experiment : ExperimentFile
        The experiment; the folder keeps a copy of its file.
    folder : Path
        The experiment folder, new or of an earlier call.
    data : Mapping of str to Path
        Folder by name of the data.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    keep_weights : {"none", "last", "all"}
        Weights of finished cells to keep: those that later cells need, the last checkpoints, or everything.
    execute : Execute
        Runs the cells: `InTurn`, or `cmr_ssp.experiments.cluster.OnCluster`.
    cancel : Cancel, optional
        Request to stop.

    Raises
    ------
    CmrSspError
        If the data cannot be used, or the folder belongs to other data or is in use.
    """
    cancel = cancel or Cancel()
    cells = cells_of(experiment)
    remedy = "Wait for it, or choose another --out."
    busy = OutputError.of(folder, "another process runs this experiment", remedy)
    _require_ours(folder)
    with holding(folder / ".lock", busy, _PATIENCE_S):
        write_text(folder / "experiment.yaml", experiment.text)
        write_environment(folder)
        folders = with_phantoms(experiment, folder, data)
        opened = open_data(experiment.names, experiment.split.stated(), folders)
        lock_split(folder / "split.yaml", opened.split)
        todo = cells_to_do(cells, folder)
        weights = _Weights(folder, keep_weights, cells, todo)
        problems: list[Problem] = []

        def ended(cell: Cell, found: tuple[Problem, ...]) -> None:
            problems.extend(found)
            if not found:
                weights.let_go(cell)

        work = CellWork(folder, folders, device)
        execute(todo, work, ended, cancel)
    return _finished(cells, folder, problems, stopped=cancel.requested)


class _Weights:
    """Removes weights that are neither to be kept nor needed by a cell to come."""

    def __init__(self, folder: Path, keep: KeepWeights, cells: Sequence[Cell], todo: Sequence[Cell]) -> None:
        self._folder, self._keep = folder, keep
        self._needed = Counter(cell.parent for cell in todo)
        open_ids = {cell.id for cell in todo}
        for cell in cells:
            if cell.id not in open_ids:
                self._release(cell.id)

    def let_go(self, cell: Cell) -> None:
        """Remove what a cell leaves, if it is done, and the weights that only it needed."""
        if not is_done(cell, self._folder):
            return
        self._needed[cell.parent] -= 1
        for name in (cell.id, cell.parent):
            if name is not None:
                self._release(name)

    def _release(self, name: str) -> None:
        run = CellFolder(self._folder, name).run
        if self._keep == "all":
            return
        if self._keep == "none" and not self._needed[name]:
            shutil.rmtree(run.folder, ignore_errors=True)
        else:
            run.best.unlink(missing_ok=True)
            shutil.rmtree(run.records, ignore_errors=True)  # images of patients


def cells_to_do(cells: Sequence[Cell], folder: Path) -> tuple[Cell, ...]:
    """Return the cells to run in this order: those not done, and the pretrainings they lack."""
    open_cells = [cell for cell in cells if not is_done(cell, folder)]
    needed = {cell.parent for cell in open_cells if not CellFolder(folder, cell.id).run.last.exists()}
    again = [
        cell for cell in cells if cell.id in needed and not CellFolder(folder, cell.id).run.last.exists()
    ]
    wanted = {cell.id for cell in (*open_cells, *again)}
    return tuple(cell for cell in cells if cell.id in wanted)


def _require_ours(folder: Path) -> None:
    """Check that a folder is new, empty or of an experiment."""
    if folder.exists() and not (folder / "experiment.yaml").is_file():
        inside = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
        if set(inside) - {".lock"}:
            what = "exists and is not the folder of an experiment"
            raise OutputError.of(folder, what, "Choose a new folder.")


def _finished(cells: Sequence[Cell], folder: Path, problems: Sequence[Problem], *, stopped: bool) -> Finished:
    done = tuple(cell.id for cell in cells if is_done(cell, folder))
    failed = tuple(dict.fromkeys(problem.where for problem in problems))
    ended = {*done, *failed}
    waiting = tuple(cell.id for cell in cells if cell.id not in ended)
    return Finished(done, failed, waiting, tuple(problems), stopped)
