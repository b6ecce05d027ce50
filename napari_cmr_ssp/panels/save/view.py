"""A button with a menu of what can be saved now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from napari_cmr_ssp.io.palette import NIFTI_FILTER

Choice = tuple[str, Callable[[], None] | None]
"""A text, and what it does; None where it only says why there is nothing to do."""


class SaveView(QPushButton):
    """Emits `opened` before its menu is shown, which is then filled by `show_choices`."""

    opened = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Save labels", parent)
        self.setToolTip("Save the labels layer that is chosen in the layer list, else the top one")
        self.choices = QMenu(self)
        self.choices.aboutToShow.connect(self.opened.emit)
        self.setMenu(self.choices)

    def show_choices(self, choices: Iterable[Choice]) -> None:
        """Fill the menu."""
        self.choices.clear()
        for text, act in choices:
            action = self.choices.addAction(text)
            assert action is not None
            action.setEnabled(act is not None)
            if act is not None:
                action.triggered.connect(lambda _=False, act=act: act())

    def ask_for_file(self, proposed: Path) -> Path | None:
        """Let the user choose a file; None where there shall be none."""
        chosen, _ = QFileDialog.getSaveFileName(self, "Save labels", str(proposed), NIFTI_FILTER)
        return Path(chosen) if chosen else None

    def tell_saved(self, files: Iterable[Path], folder: Path) -> None:
        """Say which files were written to a folder."""
        from napari.utils.notifications import show_info

        show_info(f"Saved {', '.join(str(file.relative_to(folder)) for file in files)} in {folder}.")
