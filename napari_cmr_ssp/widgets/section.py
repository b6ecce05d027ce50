"""A collapsible section of a form."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QFormLayout, QWidget
from superqt import QCollapsible

INDENT_PX = 12

TITLE_LOOK = "text-align: left; border: none; background: transparent; font-weight: bold; padding: 2px"
"""Style sheet of a button that is the title of a section."""

_NO_LIMIT = 16_777_215
"""QWIDGETSIZE_MAX, the largest height of a widget in Qt."""


class Section(QCollapsible):
    """A collapsible group of fields, collapsed at first; its title shows the number of changed settings."""

    def __init__(self, title: str, form: QFormLayout, parent: QWidget | None = None) -> None:
        icon = _no_icon()
        super().__init__(title, parent, expandedIcon=icon, collapsedIcon=icon)
        self.toggleButton().setIconSize(QSize(0, 0))
        self.toggleButton().setToolTip(f"Show or hide the settings: {title.lower()}")
        self.form = form
        self._title = title
        self._state = ""
        content = QWidget()
        form.setContentsMargins(INDENT_PX, 0, 0, 6)
        content.setLayout(form)
        self.content().setParent(None)
        self.setContent(content)
        layout = self.layout()
        assert layout is not None  # created by QCollapsible
        layout.setContentsMargins(0, 0, 0, 0)
        self.toggleButton().setStyleSheet(TITLE_LOOK)
        self.setDuration(0)
        self.toggled.connect(self._update)
        self.collapse(animate=False)

    def show_state(self, n_changed: int, *, is_wrong: bool) -> None:
        """Show the number of changed settings in the title; expand if a setting is invalid."""
        if is_wrong and not self.isExpanded():
            self.expand(animate=False)
        self.show_note(f"{n_changed} changed" if n_changed else "")

    def show_note(self, note: str) -> None:
        """Show a few words behind the title."""
        self._state = note
        self._update(self.isExpanded())

    def _update(self, is_open: bool) -> None:
        if is_open:  # problem messages increase the height
            self.content().setMaximumHeight(_NO_LIMIT)
        state = f"  ·  {self._state}" if self._state else ""
        self.setText(title_with_arrow(f"{self._title}{state}", is_open=is_open))


def title_with_arrow(title: str, *, is_open: bool) -> str:
    """Return the title of a section; a text arrow follows the theme, an icon keeps that of the first one."""
    return f"{'▾' if is_open else '▸'}  {title}"


def _no_icon() -> QIcon:
    """Return a transparent icon that is not null, since superqt rejects null icons with PySide6."""
    nothing = QPixmap(1, 1)
    nothing.fill(Qt.GlobalColor.transparent)
    return QIcon(nothing)
