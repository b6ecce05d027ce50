"""The runs of a workspace as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

if TYPE_CHECKING:
    from cmr_ssp.runs import RunSummary

_COLUMNS = ("Run", "Method", "State", "Updates", "Labels", "Test Dice")
_ROOT = QModelIndex()


class RunTable(QAbstractTableModel):
    """Shows `RunSummary` objects, newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs: tuple[RunSummary, ...] = ()

    def show(self, runs: tuple[RunSummary, ...]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.runs = runs
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of runs."""
        return 0 if parent.isValid() else len(self.runs)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of facts."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Name the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text or tool tip of a cell."""
        run = self.runs[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _facts(run)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tool_tip(run)
        return None


def _facts(run: RunSummary) -> tuple[str, ...]:
    total = f" / {run.updates}" if run.updates is not None else ""
    n_labels = sum(len(phases) for phases in run.labelled.values())
    dice = "" if run.mean_test_dice is None else f"{run.mean_test_dice:.3f}"
    return run.name, run.method, run.state, f"{run.update}{total}", str(n_labels or ""), dice


def _tool_tip(run: RunSummary) -> str:
    lines = [str(run.folder), f"{run.modified:%Y-%m-%d %H:%M}"]
    if run.pretrained_from:
        lines.append(f"started from {run.pretrained_from}")
    if run.labelled:
        lines.append("labels: " + ", ".join(f"{n} {'+'.join(p)}" for n, p in run.labelled.items()))
    return "\n".join([*lines, *run.problems])
