"""Panel view of the Legend panel: a small plate in a corner of the canvas."""

from __future__ import annotations

from cmr_ssp.anatomy import COLOURS, TITLES, Structure
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QWidget

from napari_cmr_ssp.scene.structure_layers import LOOKS
from napari_cmr_ssp.widgets.tones import FollowsTheme

_MARGIN_PX, _SWATCH_PX = 8, 11


class LegendView(FollowsTheme, QFrame):
    """A colour and a name for each structure, and how segmentations are drawn; emits `look_chosen`."""

    look_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("legend")
        self.names = QWidget()
        names = QHBoxLayout(self.names)
        names.setContentsMargins(0, 0, 0, 0)
        self._swatches = {structure: QLabel() for structure in Structure}
        for structure, swatch in self._swatches.items():
            swatch.setFixedSize(_SWATCH_PX, _SWATCH_PX)
            name = QLabel(structure.name)
            for each in (swatch, name):
                each.setToolTip(TITLES[structure])
                names.addWidget(each)
        self.look = QComboBox()
        self.look.addItems(LOOKS)
        self.look.setAccessibleName("Look of segmentations")
        self.look.setToolTip("How the segmentations of the exam are drawn")
        self.look.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.look.textActivated.connect(self._choose)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 3, 6, 3)
        layout.addWidget(self.names)
        layout.addWidget(self.look)
        self.hide()

    def place_on(self, canvas: QWidget) -> None:
        """Move to the upper left corner of a canvas."""
        was_hidden = self.isHidden()
        self.setParent(canvas)
        self.move(_MARGIN_PX, _MARGIN_PX)
        self.setHidden(was_hidden)

    def show_legend(self, named: bool, look: str | None) -> None:
        """Show the names if structures are in view, and the look of the segmentations if there are any."""
        self.names.setVisible(named)
        self.look.setVisible(look is not None)
        if look is not None:
            self.look.setCurrentText(look)
        self.setVisible(named or look is not None)
        self.adjustSize()

    def follow_theme(self) -> None:
        """Draw plate and frames in the colours of the theme; those of the structures never change."""
        palette = self.names.palette()  # its own is that of its style sheet
        ground, text = palette.window().color().name(), palette.windowText().color().name()
        style = f"#legend {{ background: {ground}; border-radius: 4px; }}"
        if style == self.styleSheet():  # setting it changes the style, which calls this again
            return
        self.setStyleSheet(style)
        for structure, swatch in self._swatches.items():
            swatch.setStyleSheet(f"background: {COLOURS[structure]}; border: 1px solid {text};")

    def _choose(self, look: str) -> None:
        self.look_chosen.emit(look)
        canvas = self.parentWidget()
        if canvas is not None:  # whose keys are those of the viewer
            canvas.setFocus()
