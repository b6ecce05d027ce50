"""Table views that look and behave alike."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QAbstractItemModel, QEvent, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_cmr_ssp.widgets.tones import ToneDelegate

_ROW_PX = 24
# napari's themes leave the boxes of tables to the system, whose dark ones cannot be seen on dark.
_TICK_STYLE = f"""
QTableView::indicator {{ width: 13px; height: 13px; border: 1px solid #8a8f98; border-radius: 2px; }}
QTableView::indicator:checked {{
    background: #3f7ae0; border-color: #3f7ae0; image: url({Path(__file__).with_name("tick.svg").as_posix()});
}}
QTableView::indicator:disabled {{ border-color: transparent; }}
"""


class Table(QTableView):
    """A table of rows: Enter opens one, Tab goes on to the next widget.

    `row_opened` carries the first cell of the current row.
    """

    row_opened = Signal(QModelIndex)

    def event(self, event: QEvent | None) -> bool:
        """Keep Enter from whatever napari binds to it."""
        if isinstance(event, QKeyEvent) and _is_enter(event):
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress and self.currentIndex().isValid():
                self.row_opened.emit(self.currentIndex().siblingAtColumn(0))
                return True
        return bool(super().event(event))


def _is_enter(event: QKeyEvent) -> bool:
    return event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)


def table_of(model: QAbstractItemModel) -> Table:
    """Return a view that selects whole rows and gives its first column the room that is left."""
    table = Table()
    table.setTabKeyNavigation(False)
    table.setModel(model)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setItemDelegate(ToneDelegate(table))
    table.setStyleSheet(_TICK_STYLE)
    table.setWordWrap(False)
    rows, columns = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None
    assert columns is not None
    rows.hide()
    rows.setDefaultSectionSize(_ROW_PX)
    columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    columns.setHighlightSections(False)
    return table


def wrap_texts(table: QTableView, *columns: int) -> None:
    """Let long texts of columns be read in full: they share the width, and rows grow."""
    table.setWordWrap(True)
    rows, header = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None
    assert header is not None
    rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    for column in columns:
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)


def fit_columns(table: QTableView) -> None:
    """Give every column what its texts need; the rest is scrolled to."""
    header = table.horizontalHeader()
    assert header is not None
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)


def selection_of(table: QTableView) -> QItemSelectionModel:
    """Return what tells of selected rows."""
    selection = table.selectionModel()
    assert selection is not None
    return selection


def selected_rows(table: QTableView) -> list[QModelIndex]:
    """Return the first cell of every selected row."""
    return list(selection_of(table).selectedRows())
