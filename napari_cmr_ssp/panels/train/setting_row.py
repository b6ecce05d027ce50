"""Field of one setting, with its problems below."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_cmr_ssp.panels.train.settings import Setting, as_text, from_text
from napari_cmr_ssp.widgets.text_table import Tone
from napari_cmr_ssp.widgets.tones import FollowsTheme, colour

_LARGEST = 2**53
"""Maximum of integers without a limit in the model; the default of Qt is 99."""


class SettingRow(QWidget):
    """The field of one setting.

    Integers have a spin box, choices a combo box and booleans a check box. Other numbers have a line edit,
    because a spin box has a fixed number of decimals and values range from 1e-5 to 180. Invalid text is kept
    until it is corrected.
    """

    edited = Signal()

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setting = setting
        self.field = _field(setting)
        self.problem = ProblemLabel()
        native: QWidget = self.field.native
        native.setToolTip(setting.about)
        native.setAccessibleName(setting.title)
        native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        native.installEventFilter(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(native)
        layout.addWidget(self.problem)
        self.field.changed.connect(lambda: self.edited.emit())

    def value(self) -> object:
        """Return the value of the field; numbers in a line edit are returned as text."""
        if isinstance(self.field, LineEdit):
            return from_text(self.field.value, self.setting)
        return self.field.value

    def set_value(self, value: object) -> None:
        """Set the value without emitting `edited`."""
        with self.field.changed.blocked():
            self.field.value = as_text(value) if isinstance(self.field, LineEdit) else value

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Let the wheel scroll the form unless the field has the focus."""
        is_wheel = event is not None and event.type() == QEvent.Type.Wheel
        if is_wheel and event is not None and not self.field.native.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


class ProblemLabel(FollowsTheme, QLabel):
    """Label with problems in the error colour of the theme; hidden without problems."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setVisible(False)

    def show_texts(self, texts: list[str]) -> None:
        """Show texts, or hide the label if there are none."""
        self.setText("\n".join(texts))
        self.setVisible(bool(texts))
        self.follow_theme()

    def follow_theme(self) -> None:
        """Update the colour for the palette of the parent, since the style changes that of the label."""
        parent = self.parentWidget()
        if parent is None:
            return
        style = f"color: {colour(Tone.ERROR, parent.palette())}"
        if style != self.styleSheet():
            self.setStyleSheet(style)


def _field(setting: Setting) -> ValueWidget[Any]:
    """Create the magicgui widget for a setting."""
    key, title = setting.key, setting.title
    if setting.type is bool:
        box = CheckBox(name=key, label=title)
        box.native.setText("")  # the form already shows the label
        return box
    if setting.choices:
        return ComboBox(name=key, label=title, choices=setting.choices)
    if setting.type is int and setting.if_empty is None:
        minimum, maximum = int(setting.minimum or 0), int(setting.maximum or _LARGEST)
        return SpinBox(name=key, label=title, min=minimum, max=maximum, value=minimum)
    line = LineEdit(name=key, label=title)
    line.native.setPlaceholderText(setting.if_empty or "")
    return line
