"""A button that starts something once, however quickly it is pressed again."""

from __future__ import annotations

import time

from qtpy.QtGui import QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QApplication, QPushButton

_LEAST_S = 0.7
"""Presses that follow sooner are taken for the same one: users often double-click buttons."""


class StartButton(QPushButton):
    """Push button that ignores the second press of a double click, also that of a key."""

    _pressed_at = float("-inf")

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Press the button, unless it was pressed a moment ago."""
        if self._is_new():
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Ignore the second press of a double click."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Press the button, unless it was pressed a moment ago; other keys than its own are passed on."""
        presses = event is not None and event.text() in (" ", "\r", "\n")
        if not presses or (event is not None and not event.isAutoRepeat() and self._is_new()):
            super().keyPressEvent(event)

    def _is_new(self) -> bool:
        now = time.monotonic()
        before, self._pressed_at = self._pressed_at, now
        return now - before > max(_LEAST_S, QApplication.doubleClickInterval() / 1000)
