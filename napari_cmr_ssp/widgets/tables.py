"""Table views with a common look and behaviour."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from qtpy.QtCore import QAbstractItemModel, QEvent, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_cmr_ssp.widgets.tones import ToneDelegate

_ROW_PX = 24
_FITTED_ROWS = 20
# napari's themes do not style check boxes in tables; the system's are invisible on a dark background.
_TICK_STYLE = f"""
QTableView::indicator {{ width: 13px; height: 13px; border: 1px solid #8a8f98; border-radius: 2px; }}
QTableView::indicator:checked {{
    background: #3f7ae0; border-color: #3f7ae0; image: url({Path(__file__).with_name("tick.svg").as_posix()});
}}
QTableView::indicator:disabled {{ border-color: transparent; }}
"""


class Table(QTableView):
    """Table view in which Enter opens a row and Tab moves to the next widget.

    The signal `row_opened` has the index of the first cell of the current row.
    """

    row_opened = Signal(QModelIndex)

    def event(self, event: QEvent | None) -> bool:
        """Handle Enter before the key bindings of napari."""
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


_T = TypeVar("_T", bound=Table)


def table_of(model: QAbstractItemModel) -> Table:
    """Create a view that selects whole rows and stretches its first column."""
    return set_up(Table(), model)


def set_up(table: _T, model: QAbstractItemModel) -> _T:
    """Set the model, look and behaviour of a table; return it."""
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
    """Wrap long texts: the columns share the width, and row heights adapt."""
    table.setWordWrap(True)
    rows, header = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None
    assert header is not None
    rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    for column in columns:
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)


def fit_columns(table: QTableView) -> None:
    """Size every column to its contents, with horizontal scrolling if needed."""
    header = table.horizontalHeader()
    assert header is not None
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)


def fit_to_first_rows(table: QTableView) -> None:
    """Size columns to the contents of some rows: all rows of a large table take a second at every change."""
    header = table.horizontalHeader()
    assert header is not None
    header.setResizeContentsPrecision(_FITTED_ROWS)


def stretch_last(table: QTableView) -> None:
    """Size columns to their contents, and give what is left to the last one."""
    fit_columns(table)
    header = table.horizontalHeader()
    assert header is not None
    header.setStretchLastSection(True)


def show_all_rows(table: QTableView) -> None:
    """Make a table as high as its rows, where what surrounds it scrolls."""
    model, header = table.model(), table.horizontalHeader()
    assert model is not None
    assert header is not None
    bar = table.horizontalScrollBar()
    below = bar.sizeHint().height() if bar is not None else 0
    table.setFixedHeight(model.rowCount() * _ROW_PX + header.sizeHint().height() + below)


def selection_of(table: QTableView) -> QItemSelectionModel:
    """Return the selection model of a table."""
    selection = table.selectionModel()
    assert selection is not None
    return selection


def selected_rows(table: QTableView) -> list[QModelIndex]:
    """Return the first cell of every selected row."""
    return list(selection_of(table).selectedRows())
