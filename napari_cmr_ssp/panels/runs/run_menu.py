"""Context menu of a run, and the questions of its entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cmr_ssp.runs import RunSummary
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QInputDialog, QLineEdit, QMenu, QMessageBox, QWidget

from napari_cmr_ssp.widgets.tables import Table

_MAX_NAMED = 5


def add_menu(table: Table, entries: Sequence[tuple[str, str, Callable[[], object]]]) -> QMenu:
    """Give a table a context menu for its selected row; each entry has a text, a tool tip and an action."""
    menu = QMenu(table)
    menu.setToolTipsVisible(True)
    for text, tip, act in entries:
        action = menu.addAction(text, act)
        assert action is not None
        action.setToolTip(tip)
    viewport = table.viewport()
    assert viewport is not None

    def show(where: QPoint) -> None:
        if table.currentIndex().isValid():
            menu.popup(viewport.mapToGlobal(where))

    table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    table.customContextMenuRequested.connect(show)
    return menu


def ask_for_name(parent: QWidget, run: RunSummary) -> str | None:
    """Ask for a new name of a run; None if the user cancels."""
    name, accepted = QInputDialog.getText(
        parent, "Rename the run", f"New name of {run.name}:", QLineEdit.EchoMode.Normal, run.name
    )
    return name.strip() if accepted else None


def ask_for_note(parent: QWidget, run: RunSummary) -> str | None:
    """Ask for the note of a run; None if the user cancels."""
    note, accepted = QInputDialog.getMultiLineText(parent, "Note", f"Note on {run.name}:", run.note)
    return note if accepted else None


def confirm_deletion(parent: QWidget, run: RunSummary, others: Sequence[str]) -> bool:
    """Ask whether to delete a run; `others` are the runs that started from it."""
    text = f"Delete the run {run.name} with its checkpoints, scores and segmentations? This cannot be undone."
    if others:
        named = ", ".join(others[:_MAX_NAMED]) + (" and others" if len(others) > _MAX_NAMED else "")
        text += (
            f"\n\nStarted from it: {named}. They remain and can be used, but no longer show what they started"
            " from."
        )
    box = QMessageBox(QMessageBox.Icon.Warning, "Delete the run", text, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    delete = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return box.clickedButton() is delete
