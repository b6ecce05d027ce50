"""A row of buttons of which one is chosen."""

from __future__ import annotations

from collections.abc import Mapping

from psygnal import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QWidget


class Choices(QWidget):
    """Buttons of which exactly one is down.

    Signals: `chosen` (the option that the user chose).

    Parameters
    ----------
    options : Mapping of str to (str, str)
        Text and tool tip of each option; the first one is chosen at the start.
    parent : QWidget, optional
        Parent widget.
    """

    chosen = Signal(str)

    def __init__(self, options: Mapping[str, tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        group = QButtonGroup(self)
        self.buttons: dict[str, QPushButton] = {}
        for option, (text, tip) in options.items():
            button = self.buttons[option] = QPushButton(text)
            button.setCheckable(True)
            button.setToolTip(tip)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # all equally wide
            button.clicked.connect(lambda _=False, option=option: self.chosen.emit(option))
            group.addButton(button)
            layout.addWidget(button)
        next(iter(self.buttons.values())).setChecked(True)

    @property
    def value(self) -> str:
        """The chosen option."""
        return next(option for option, button in self.buttons.items() if button.isChecked())

    def choose(self, option: str) -> None:
        """Choose an option as if its button was clicked."""
        self.buttons[option].click()
