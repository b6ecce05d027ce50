"""Choice of two labels layers to compare, the legend of their difference, and their 3D Dice."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from cmr_ssp.anatomy import Structure
from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.scene.comparison import BOTH_DIFFER, ONLY_FIRST, ONLY_SECOND
from napari_cmr_ssp.widgets.section import INDENT_PX, TITLE_LOOK, title_with_arrow

NO_PAIR = "Segment the exam, or start correcting: two segmentations are needed."
_TITLE = "Compare"
_PAUSE_MS = 20
_LEGEND = (
    (ONLY_FIRST, "only in the first"),
    (ONLY_SECOND, "only in the second"),
    (BOTH_DIFFER, "another structure in the second"),
)


class CompareView(QWidget):
    """A section that can be folded.

    Signals: `pair_chosen` (rows of the offered layers), `difference_chosen` (whether it is shown), and
    `wanted` soon after `update_soon` or when the section is opened, while it is open.
    """

    pair_chosen = Signal(int, int)
    difference_chosen = Signal(bool)
    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.first, self.second = (_layer_box(text) for text in ("First", "Second"))
        self.difference = QCheckBox("Show the difference")
        self.difference.setToolTip("Show where both differ, as a layer that follows edits; it is not saved")
        self.legend, self.scores = QLabel(_legend()), QLabel()
        self.legend.hide()
        for label in (self.legend, self.scores):  # lines that are not wrapped have a height of their own
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.scores.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.content = QWidget()
        form = QFormLayout(self.content)
        form.setContentsMargins(INDENT_PX, 0, 0, 6)
        for row in (("First", self.first), ("Second", self.second)):
            form.addRow(*row)
        for widget in (self.difference, self.legend, self.scores):
            form.addRow(widget)
        self.content.hide()
        self.toggle = QPushButton(title_with_arrow(_TITLE, is_open=False))
        self.toggle.setCheckable(True)
        self.toggle.setStyleSheet(TITLE_LOOK)
        self.toggle.setToolTip("Compare two segmentations: difference and 3D Dice")
        self.toggle.toggled.connect(self._open)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.toggle)
        layout.addWidget(self.content)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        for box in (self.first, self.second):
            box.activated.connect(lambda _: self._choose_pair())
        self.difference.toggled.connect(self._choose_difference)

    def offer(self, names: Sequence[str], pair: tuple[int, int] | None) -> None:
        """Offer layers by their names; `pair` are the rows of those that are compared."""
        for box, row in zip((self.first, self.second), pair or (-1, -1), strict=True):
            if list(names) != [box.itemText(each) for each in range(box.count())]:
                box.clear()
                box.addItems(names)
            box.setCurrentIndex(row)
            box.setToolTip(names[row] if row >= 0 else NO_PAIR)
            box.setEnabled(pair is not None)
        self.difference.setEnabled(pair is not None)
        if pair is None:
            self.show_difference(on=False)

    def show_difference(self, *, on: bool) -> None:
        """Show whether the difference is in the viewer."""
        self.difference.setChecked(on)

    def update_soon(self) -> None:
        """Ask for new scores after a short pause, so that a stroke or the playback asks only now and then."""
        if not self._pause.isActive():
            self._pause.start()

    def show_scores(self, lines: Sequence[str]) -> None:
        """Show lines of rich text."""
        self.scores.setText("<br>".join(lines))

    def _ask(self) -> None:
        if self.toggle.isChecked():
            self.wanted.emit()

    def _open(self, is_open: bool) -> None:
        self.toggle.setText(title_with_arrow(_TITLE, is_open=is_open))
        self.content.setVisible(is_open)
        self.update_soon()

    def _choose_pair(self) -> None:
        self.pair_chosen.emit(self.first.currentIndex(), self.second.currentIndex())

    def _choose_difference(self, on: bool) -> None:
        self.legend.setVisible(on)
        self.difference_chosen.emit(on)


def _layer_box(name: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(f"{name} segmentation")
    box.setToolTip(NO_PAIR)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    return box


def _legend() -> str:
    return "<br>".join(f"{_squares(colours)} {html.escape(text)}" for colours, text in _LEGEND)


def _squares(colours: Mapping[Structure, str]) -> str:
    return " ".join(f'<span style="color:{colour}">■</span> {s.name}' for s, colour in colours.items())
