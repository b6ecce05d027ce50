"""Text colours with a meaning, with a contrast of at least 4.5 to 1 to the theme (WCAG 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmr_ssp.errors import Severity
from qtpy.QtCore import QEvent, QModelIndex
from qtpy.QtGui import QBrush, QColor, QPalette, QShowEvent
from qtpy.QtWidgets import QLabel, QStyledItemDelegate, QWidget

from napari_cmr_ssp.widgets.text_table import TONE_ROLE, Tone

_MIDDLE_GREY = 128
_ON_DARK = {Tone.ERROR: "#ff8a80", Tone.WARNING: "#f0b840", Tone.FAINT: "#9da2ab"}
_ON_LIGHT = {Tone.ERROR: "#a0001c", Tone.WARNING: "#6b4500", Tone.FAINT: "#50555c"}
_TONES = {Severity.ERROR: Tone.ERROR, Severity.WARNING: Tone.WARNING}


def colour(tone: Tone, palette: QPalette) -> str:
    """Return the colour of a tone for a light or dark palette."""
    is_dark = palette.windowText().color().lightness() > _MIDDLE_GREY
    return (_ON_DARK if is_dark else _ON_LIGHT)[tone]


def style_of(severity: Severity) -> str:
    """Return the HTML attribute that a `ToneLabel` replaces by the colour of a severity.

    External text cannot contain it, since `html.escape` escapes the quotes.
    """
    return f'style="color:{_TONES[severity]}"'


if TYPE_CHECKING:
    _Widget = QWidget
else:  # the other base class is the Qt widget
    _Widget = object


class FollowsTheme(_Widget):
    """First base class of widgets; calls `follow_theme` whenever the palette may have changed."""

    def follow_theme(self) -> None:
        """Apply the colours of the widget's palette."""
        raise NotImplementedError

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.follow_theme()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Follow the theme of the window."""
        super().showEvent(event)
        self.follow_theme()


class ToneLabel(FollowsTheme, QLabel):
    """Label with rich text in colours that follow the theme."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self._source = ""
        self.setText(text)

    def setText(self, text: str | None) -> None:  # noqa: N802 - Qt's name
        """Set rich text with attributes made by `style_of`."""
        self._source = text or ""
        self.follow_theme()

    def follow_theme(self) -> None:
        """Update the colours."""
        text = self._source
        for tone in Tone:
            text = text.replace(f'style="color:{tone}"', f'style="color:{colour(tone, self.palette())}"')
        if text != self.text():
            super().setText(text)


class ToneDelegate(QStyledItemDelegate):
    """Item delegate that colours cells by the tone of their model."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:  # noqa: N802 - Qt's name
        """Set the text colour; selected rows keep the colour of the theme."""
        super().initStyleOption(option, index)
        tone = index.data(TONE_ROLE)
        if tone is not None:
            brush = QBrush(QColor(colour(Tone(tone), option.widget.palette())))
            option.palette.setBrush(QPalette.ColorRole.Text, brush)
