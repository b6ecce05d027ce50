"""Table model of texts, replaced as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

TONE_ROLE = Qt.ItemDataRole.UserRole + 1
"""Item data role for the `Tone` of a cell; None for plain text."""

_ROOT = QModelIndex()


class Tone(StrEnum):
    """Meaning of the colour of a text; the view chooses the colour to match the theme."""

    ERROR = "error"
    WARNING = "warning"
    FAINT = "faint"  # cannot be selected


class TextTable(QAbstractTableModel):
    """Table model with rows of texts under named columns; subclasses extend `data`."""

    def __init__(self, columns: Sequence[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._columns = tuple(columns)
        self.rows: tuple[tuple[str, ...], ...] = ()

    def replace(self, rows: tuple[tuple[str, ...], ...]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the name of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell."""
        return self.rows[index.row()][index.column()] if role == Qt.ItemDataRole.DisplayRole else None
