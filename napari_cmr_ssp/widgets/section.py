"""A part of a form that folds away."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QFormLayout, QWidget
from superqt import QCollapsible

INDENT_PX = 12

_LOOK = "text-align: left; border: none; background: transparent; font-weight: bold; padding: 2px"
_NO_LIMIT = 16_777_215
"""Qt's own largest height of a widget."""


class Section(QCollapsible):
    """A titled group of fields, folded at first; the title says what has been changed inside."""

    def __init__(self, title: str, form: QFormLayout, parent: QWidget | None = None) -> None:
        icon = _no_icon()
        super().__init__(title, parent, expandedIcon=icon, collapsedIcon=icon)
        self.toggleButton().setIconSize(QSize(0, 0))
        self.form = form
        self._title = title
        self._news = ""
        content = QWidget()
        form.setContentsMargins(INDENT_PX, 0, 0, 6)
        content.setLayout(form)
        self.content().setParent(None)
        self.setContent(content)
        layout = self.layout()
        assert layout is not None  # QCollapsible made it
        layout.setContentsMargins(0, 0, 0, 0)
        self.toggleButton().setStyleSheet(_LOOK)
        self.setDuration(0)
        self.toggled.connect(self._adapt)
        self.collapse(animate=False)

    def tell(self, n_changed: int, *, is_wrong: bool) -> None:
        """Say in the title how many settings were changed; open where one of them is wrong."""
        self._news = f"{n_changed} changed" if n_changed else ""
        if is_wrong and not self.isExpanded():
            self.expand(animate=False)
        self._adapt(self.isExpanded())

    def _adapt(self, is_open: bool) -> None:
        if is_open:  # problems that appear inside make it taller
            self.content().setMaximumHeight(_NO_LIMIT)
        # an arrow as text has the theme's colour, an icon keeps that of its first theme
        news = f"  ·  {self._news}" if self._news else ""
        self.setText(f"{'▾' if is_open else '▸'}  {self._title}{news}")


def _no_icon() -> QIcon:
    """Return an icon that shows nothing and is not null: superqt drops a null one where PySide6 is used."""
    nothing = QPixmap(1, 1)
    nothing.fill(Qt.GlobalColor.transparent)
    return QIcon(nothing)
