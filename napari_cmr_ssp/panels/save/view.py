"""Panel view of the Save panel: a button with a menu."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from napari_cmr_ssp.io.palette import NIFTI_FILTER

Choice = tuple[str, Callable[[], None] | None]
"""Text of a menu entry and its action; None for an entry that is disabled."""


class SaveView(QPushButton):
    """Button with a menu; emits `opened` before the menu is shown, to update it with `show_choices`."""

    opened = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Save labels", parent)
        self.setToolTip("Save the labels layer selected in the layer list, otherwise the top visible one")
        self.choices = QMenu(self)
        self.choices.aboutToShow.connect(self.opened.emit)
        self.setMenu(self.choices)

    def show_choices(self, choices: Iterable[Choice]) -> None:
        """Replace the entries of the menu."""
        self.choices.clear()
        for text, act in choices:
            action = self.choices.addAction(text)
            assert action is not None
            action.setEnabled(act is not None)
            if act is not None:
                action.triggered.connect(lambda _=False, act=act: act())

    def ask_for_file(self, proposed: Path) -> Path | None:
        """Ask the user for a file; return None if the user cancels."""
        chosen, _ = QFileDialog.getSaveFileName(self, "Save labels", str(proposed), NIFTI_FILTER)
        return Path(chosen) if chosen else None

    def show_saved(self, files: Iterable[Path], folder: Path) -> None:
        """Notify the user of files saved in a folder."""
        from napari.utils.notifications import show_info

        show_info(f"Saved {', '.join(str(file.relative_to(folder)) for file in files)} in {folder}.")
