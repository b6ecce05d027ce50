"""An area that is as high as what it shows, up to a limit, and scrolls when there is less room."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QWidget

_BORDER_PX = 4
"""More than the borders that the themes of napari draw around such an area."""


def wrap_within(label: QLabel) -> None:
    """Wrap the lines of a label; a word that is too long, such as a path, is cut and widens nothing."""
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, label.sizePolicy().verticalPolicy())


class ShortScroll(QScrollArea):
    """Shows a widget at its own height if there is room, so that it never makes the window grow.

    Parameters
    ----------
    content : QWidget
        What it shows.
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content = content
        self._least_px = self._most_px = 0
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.setWidget(content)

    def limit_lines(self, n_least: int, n_most: int) -> None:
        """Show between `n_least` and `n_most` lines of text, depending on the room."""
        line = self.fontMetrics().lineSpacing() + 1
        self.limit(n_least * line, n_most * line)

    def limit(self, least_px: int, most_px: int) -> None:
        """Show between `least_px` and `most_px`, depending on the room; call it when the content changed."""
        self._least_px, self._most_px = least_px, most_px
        self.updateGeometry()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the height of the content, up to the limit."""
        return QSize(0, min(self._wanted_px, self._most_px))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the height that is always visible."""
        return QSize(0, min(self._wanted_px, self._least_px))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Follow the width, which decides how many lines a text has."""
        super().resizeEvent(event)
        if event is not None and event.oldSize().width() != event.size().width():
            self.updateGeometry()

    @property
    def _wanted_px(self) -> int:
        content = self._content
        if content.hasHeightForWidth():
            return content.heightForWidth(max(self.width() - _BORDER_PX, 1)) + _BORDER_PX
        return content.sizeHint().height() + _BORDER_PX
