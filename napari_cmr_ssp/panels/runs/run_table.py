"""Table model of the runs of a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, QObject, Qt

from napari_cmr_ssp.widgets.text_table import TextTable

if TYPE_CHECKING:
    from cmr_ssp.runs import RunSummary

_COLUMNS = ("Run", "Method", "State", "Updates", "Labels", "Test Dice")


class RunTable(TextTable):
    """Shows `RunSummary` objects, newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(_COLUMNS, parent)
        self.runs: tuple[RunSummary, ...] = ()

    def show(self, runs: tuple[RunSummary, ...]) -> None:
        """Replace all rows."""
        self.runs = runs
        self.replace(tuple(_facts(run) for run in runs))

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text or tool tip of a cell."""
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tool_tip(self.runs[index.row()])
        return super().data(index, role)


def _facts(run: RunSummary) -> tuple[str, ...]:
    total = f" / {run.updates}" if run.updates is not None else ""
    n_labels = sum(len(phases) for phases in run.labelled.values())
    dice = "" if run.mean_test_dice is None else f"{run.mean_test_dice:.3f} ({run.n_test_subjects})"
    return run.name, run.method, run.state, f"{run.update}{total}", str(n_labels or ""), dice


def _tool_tip(run: RunSummary) -> str:
    lines = [*([run.note, ""] if run.note else []), str(run.folder), f"{run.modified:%Y-%m-%d %H:%M}"]
    if run.pretrained_from:
        lines.append(f"started from {run.pretrained_from}")
    if run.labelled:
        lines.append("labels: " + ", ".join(f"{n} {'+'.join(p)}" for n, p in run.labelled.items()))
    lines += [f"data: {licence}" for licence in run.data_licences]
    return "\n".join([*lines, *run.problems])
