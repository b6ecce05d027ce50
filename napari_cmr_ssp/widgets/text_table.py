"""A table of texts that is replaced as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

TONE_ROLE = Qt.ItemDataRole.UserRole + 1
"""Asks a model for the `Tone` of a cell, None for plain text."""

_ROOT = QModelIndex()


class Tone(StrEnum):
    """What the colour of a text means; the view knows the colour, which depends on the theme."""

    ERROR = "error"
    WARNING = "warning"  # has to be known
    FAINT = "faint"  # cannot be chosen


class TextTable(QAbstractTableModel):
    """Rows of texts under named columns; made what it is by `data` of those that derive from it."""

    def __init__(self, columns: Sequence[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._columns = tuple(columns)
        self.rows: tuple[tuple[str, ...], ...] = ()

    def replace(self, rows: tuple[tuple[str, ...], ...]) -> None:
        """Show other rows."""
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
        """Name the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell."""
        return self.rows[index.row()][index.column()] if role == Qt.ItemDataRole.DisplayRole else None
