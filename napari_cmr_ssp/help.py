"""The help of the window: a short walkthrough that is part of the package, and the keys as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

_SIZE_PX = (640, 560)


def help_text(keys: Mapping[str, str]) -> str:
    """Return the help as Markdown.

    Parameters
    ----------
    keys : Mapping of str to str
        Key of each action on contours.
    """
    text = files("napari_cmr_ssp").joinpath("help.md").read_text(encoding="utf-8")
    rows = [f"| {name[0].upper()}{name[1:]} | {_escaped(key)} |" for name, key in keys.items()]
    return "\n".join([text, "| action | key |", "|---|---|", *rows, ""])


class HelpDialog(QDialog):
    """Shows the help in a window of its own, which can stay open beside the viewer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Help: cardiac MR workbench")
        self.resize(*_SIZE_PX)
        self.page = QTextBrowser()
        self.page.setAccessibleName("Help")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        for button in buttons.buttons():
            button.setToolTip("Close the help")
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.page)
        layout.addWidget(buttons)

    def show_help(self, keys: Mapping[str, str]) -> None:
        """Show the help with these keys, where the reader left it."""
        bar = self.page.verticalScrollBar()
        position = bar.value() if bar is not None else 0
        self.page.setMarkdown(help_text(keys))
        if bar is not None:
            bar.setValue(position)


def _escaped(key: str) -> str:
    """Return a key for a cell of a table; some keys are marks of Markdown."""
    return "".join(f"\\{mark}" if mark in "|\\`*_[]<>~" else mark for mark in key)
