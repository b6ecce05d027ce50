"""Table view of a cohort: pictures, columns that fit the width, and which rows are in sight."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, Qt, QTimer, Signal
from qtpy.QtGui import QIcon, QResizeEvent, QShowEvent

from napari_cmr_ssp.panels.data.picture_store import SHOWN_PX
from napari_cmr_ssp.panels.data.subject_table import TEXT_COLUMNS, SubjectTable
from napari_cmr_ssp.widgets.tables import Table, fit_to_first_rows, set_up
from napari_cmr_ssp.widgets.tones import ToneDelegate

_PAUSE_MS = 80
_MARGIN_PX = 4
_NEEDED_PX = {"Vendor": 480, "Group": 480, "Role": 330}
"""Width of the table from which a column of text is shown; otherwise its text is below the id."""
_LINE_BREAK = "\u2028"


class CohortTable(Table):
    """Table of subjects.

    The signal `rows_seen` has the first and last row in sight, once they have stayed there for a moment.
    """

    rows_seen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._tell_rows)

    def watch(self) -> None:
        """Tell which rows are in sight whenever that changes; needs a model."""
        bar, model = self.verticalScrollBar(), self.model()
        assert bar is not None
        assert model is not None
        bar.valueChanged.connect(lambda _: self._pause.start())
        model.modelReset.connect(self._pause.start)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Show the columns of text for which there is room."""
        super().resizeEvent(event)
        for name, needed_px in _NEEDED_PX.items():
            self.setColumnHidden(TEXT_COLUMNS.index(name), self.width() < needed_px)
        self._pause.start()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Look which rows are in sight."""
        super().showEvent(event)
        self._pause.start()

    def _tell_rows(self) -> None:
        viewport, model = self.viewport(), self.model()
        if viewport is None or model is None or not self.isVisible() or not model.rowCount():
            return
        last = self.rowAt(viewport.height() - 1)
        self.rows_seen.emit(self.rowAt(0), last if last >= 0 else model.rowCount() - 1)


class _SubjectDelegate(ToneDelegate):
    """Writes the texts of hidden columns below the id; selecting a row does not tint its picture."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:  # noqa: N802 - Qt's name
        super().initStyleOption(option, index)
        if index.column() == 0:
            icon = option.icon
            icon.addPixmap(index.data(Qt.ItemDataRole.DecorationRole), QIcon.Mode.Selected)
            option.icon = icon
            hidden = [
                column for column in range(1, len(TEXT_COLUMNS)) if option.widget.isColumnHidden(column)
            ]
            below = ", ".join(filter(None, (index.siblingAtColumn(column).data() for column in hidden)))
            option.text += _LINE_BREAK + below if below else ""


def cohort_table_of(model: SubjectTable) -> CohortTable:
    """Create the table view of a cohort."""
    table = set_up(CohortTable(), model)
    table.setItemDelegate(_SubjectDelegate(table))
    fit_to_first_rows(table)
    rows = table.verticalHeader()
    assert rows is not None
    rows.setDefaultSectionSize(SHOWN_PX + _MARGIN_PX)
    table.setSortingEnabled(True)
    table.watch()
    return table
