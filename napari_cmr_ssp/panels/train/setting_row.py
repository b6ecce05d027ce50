"""One setting on a line of the form, and what is wrong with it below."""

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
"""Of whole numbers where the model sets no limit: Qt's own spin boxes stop at 99."""


class SettingRow(QWidget):
    """The field of one setting.

    Whole numbers get arrows, choices a list, switches a box. Other numbers are written: a spin box has a
    fixed number of decimals, and settings go from 1e-5 to 180. What is written may be wrong, and stays as it
    is until it is corrected.
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
        """Return what is in the field; text where it has to be read as a number."""
        if isinstance(self.field, LineEdit):
            return from_text(self.field.value, self.setting)
        return self.field.value

    def set_value(self, value: object) -> None:
        """Show a value, without telling anybody."""
        with self.field.changed.blocked():
            self.field.value = as_text(value) if isinstance(self.field, LineEdit) else value

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Leave the wheel to the dock that scrolls, unless somebody is at work in this field."""
        is_wheel = event is not None and event.type() == QEvent.Type.Wheel
        if is_wheel and event is not None and not self.field.native.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


class ProblemLabel(FollowsTheme, QLabel):
    """What is wrong, in a red that can be read on the theme's ground; takes no room while all is well."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setVisible(False)

    def show_texts(self, texts: list[str]) -> None:
        """Show these, or nothing."""
        self.setText("\n".join(texts))
        self.setVisible(bool(texts))
        self.follow_theme()

    def follow_theme(self) -> None:
        """Take the red for the ground around; its own palette has it already."""
        around = self.parentWidget()
        if around is None:
            return
        style = f"color: {colour(Tone.ERROR, around.palette())}"
        if style != self.styleSheet():
            self.setStyleSheet(style)


def _field(setting: Setting) -> ValueWidget[Any]:
    """Make the magicgui widget for a setting."""
    key, title = setting.key, setting.title
    if setting.type is bool:
        box = CheckBox(name=key, label=title)
        box.native.setText("")  # magicgui repeats the label, which stands to the left
        return box
    if setting.choices:
        return ComboBox(name=key, label=title, choices=setting.choices)
    if setting.type is int and setting.if_empty is None:
        least, most = int(setting.least or 0), int(setting.most or _LARGEST)
        return SpinBox(name=key, label=title, min=least, max=most, value=least)
    line = LineEdit(name=key, label=title)
    line.native.setPlaceholderText(setting.if_empty or "")
    return line
