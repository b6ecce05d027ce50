"""What is to be done for a cell, on this machine or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cmr_ssp.errors import CmrSspError, OutputError, Problem
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.experiments.cells import Cell
from cmr_ssp.experiments.records import CellFolder, is_done
from cmr_ssp.experiments.running_cell import run_cell
from cmr_ssp.locking import holding

_PATIENCE_S = 3600.0

OnCell = Callable[[Cell, int, int], None]
"""Called before each cell."""

OnCellEnd = Callable[[Cell, tuple[Problem, ...]], None]
"""Called after each cell with its problems."""


@dataclass(frozen=True, slots=True)
class CellWork:
    """Trains and scores cells of an experiment; can be sent to another process.

    Attributes
    ----------
    folder : Path
        The experiment folder.
    data : Mapping of str to Path
        Folder by name of the data.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    folder: Path
    data: Mapping[str, Path]
    device: str

    def run(self, cell: Cell, on_event: OnEvent, cancel: Cancel) -> tuple[Problem, ...]:
        """Run a cell if those that it needs are done; return its problems, since errors stop no other cell.

        A worker that was taken for lost can still be at work on the same cell: this waits for it.
        """
        if cancel.requested or not self.can_begin(cell):
            return ()
        place = CellFolder(self.folder, cell.id)
        busy = OutputError.of(place.folder, "another process runs this cell", "Wait for it.")
        try:
            with holding(place.folder / ".lock", busy, _PATIENCE_S):
                if not self._is_finished(cell):
                    run_cell(
                        cell, self.folder, self.data, device=self.device, on_event=on_event, cancel=cancel
                    )
        except Exception as error:  # one cell must not stop the others
            return problems_of(cell, error)
        return ()

    def _is_finished(self, cell: Cell) -> bool:
        """Return whether another worker finished a cell meanwhile; a pretraining is run for its weights."""
        has_weights = CellFolder(self.folder, cell.id).run.last.exists()
        return is_done(cell, self.folder) and (cell.kind != "pretrain" or has_weights)

    def can_begin(self, cell: Cell) -> bool:
        """Return whether the cells that a cell needs are done, with weights if one is its parent."""
        begun = CellFolder(self.folder, cell.id).run.last.exists()  # needs its parent no more
        for name in cell.needs:
            needed = CellFolder(self.folder, name)
            finished = needed.read().get("outcome") == Outcome.FINISHED
            if not finished or not (name != cell.parent or begun or needed.run.last.exists()):
                return False
        return True


class Execute(Protocol):
    """Runs cells somewhere, each after those that it needs."""

    def __call__(self, cells: Sequence[Cell], work: CellWork, on_end: OnCellEnd, cancel: Cancel) -> None:
        """Run cells until all ended, or the user stops them; call `on_end` after each."""


@dataclass(frozen=True, slots=True)
class InTurn:
    """Runs cells one after the other in this process.

    Attributes
    ----------
    on_event : callable
        As for `cmr_ssp.jobs.pretrain`.
    on_cell : callable or None
        Called before each cell with its number, counted from 1, and how many are to be done.
    """

    on_event: OnEvent = ignore_events
    on_cell: OnCell | None = None

    def __call__(self, cells: Sequence[Cell], work: CellWork, on_end: OnCellEnd, cancel: Cancel) -> None:
        """Run cells; see `Execute`."""
        for number, cell in enumerate(cells, start=1):
            if cancel.requested:
                return
            if work.can_begin(cell):
                if self.on_cell is not None:
                    self.on_cell(cell, number, len(cells))
                on_end(cell, work.run(cell, self.on_event, cancel))


def problems_of(cell: Cell, error: Exception) -> tuple[Problem, ...]:
    """Return what failed, with the cell as place."""
    if isinstance(error, CmrSspError):
        return tuple(Problem(cell.id, f"{each.where}: {each.what}", each.remedy) for each in error.problems)
    remedy = "Run the experiment again; if it fails again, please report it."
    return (Problem(cell.id, f"{type(error).__name__}: {error}", remedy),)
