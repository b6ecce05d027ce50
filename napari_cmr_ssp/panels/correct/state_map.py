"""A small map of every contour: frame by slice, a stripe for each structure, coloured by its state."""

from __future__ import annotations

import numpy as np
from cmr_ssp.anatomy import TITLES, Structure
from cmr_ssp.editing.states import ContourState, ContourStates
from psygnal import Signal
from qtpy.QtCore import QEvent, QPoint, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

STATE_COLOURS = {
    ContourState.PROPOSED: "#E69F00",
    ContourState.ACCEPTED: "#009E73",
    ContourState.CONFIRMED_ABSENT: "#8C8C8C",
}
"""Orange, bluish green and grey: told apart with any kind of colour vision. Not drawn has no colour."""

_LARGEST, _SMALLEST, _GAP = 14.0, 4.0, 1.5
_STEPS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class StateMap(QWidget):
    """Columns are frames, rows are slices from base to apex; a click or an arrow key goes there.

    Signals: `place_requested` (frame, slice).

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    place_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._states: ContourStates | None = None
        self._place = (0, 0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("State of every contour")
        self.setToolTip("Columns are frames, rows are slices; click to go there")

    def show_states(self, states: ContourStates | None) -> None:
        """Show the states of a cine, or nothing; they may change in place, see `update`."""
        self._states = states
        self.updateGeometry()
        self.update()

    def show_place(self, frame: int, slice_: int) -> None:
        """Mark where the viewer stands."""
        if (frame, slice_) != self._place:
            self._place = (frame, slice_)
            self.update()

    def text_at(self, frame: int, slice_: int) -> str:
        """Return the states of a place in words."""
        if self._states is None:
            return ""
        states = (f"{TITLES[s]} {self._states.state(frame, slice_, s).title}" for s in Structure)
        return f"frame {frame}, slice {slice_}: {', '.join(states)}"

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the height of all slices."""
        n_slices = self._shape[1]
        return QSize(200, round(n_slices * 9 + 2))

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw every contour."""
        del event
        painter = QPainter(self)
        if self._states is not None:
            base = QColor(self.palette().color(QPalette.ColorRole.WindowText))
            base.setAlpha(40)
            for frame, slice_ in np.ndindex(*self._shape):
                self._draw(painter, frame, slice_, base)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.WindowText), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self._cell(*self._place).adjusted(-1, -1, 1, 1))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Go to the place under the mouse."""
        place = self._at(event.pos()) if event is not None else None
        if place is not None:
            self.place_requested.emit(*place)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Go to a neighbour with the arrow keys."""
        step = _STEPS.get(Qt.Key(event.key())) if event is not None else None
        if step is None or self._states is None:
            super().keyPressEvent(event)
            return
        frame, slice_ = (
            min(max(at + by, 0), n - 1) for at, by, n in zip(self._place, step, self._shape, strict=True)
        )
        self.place_requested.emit(frame, slice_)

    def event(self, event: QEvent | None) -> bool:
        """Show the states under the mouse as a tool tip."""
        if isinstance(event, QHelpEvent):
            place = self._at(event.pos())
            if place is not None:
                QToolTip.showText(event.globalPos(), self.text_at(*place), self)
                return True
        return bool(super().event(event))

    def _draw(self, painter: QPainter, frame: int, slice_: int, base: QColor) -> None:
        cell = self._cell(frame, slice_)
        painter.fillRect(cell, base)
        width = cell.width() / len(Structure)
        for number, structure in enumerate(Structure):
            state = self._states.state(frame, slice_, structure) if self._states is not None else None
            if state in STATE_COLOURS:
                stripe = QRectF(cell.x() + number * width, cell.y(), width, cell.height())
                painter.fillRect(stripe, QColor(STATE_COLOURS[state]))

    @property
    def _shape(self) -> tuple[int, int]:
        if self._states is None:
            return 1, 1
        n_frames, n_slices = self._states.array.shape[:2]
        return int(n_frames), int(n_slices)

    @property
    def _pitch(self) -> tuple[float, float]:
        n_frames, n_slices = self._shape
        across = min(max(self.width() / n_frames, _SMALLEST), _LARGEST)
        return across, max(self.height() / n_slices, _SMALLEST)

    def _cell(self, frame: int, slice_: int) -> QRectF:
        across, down = self._pitch
        return QRectF(frame * across + 1, slice_ * down + 1, across - _GAP, down - _GAP)

    def _at(self, where: QPoint) -> tuple[int, int] | None:
        across, down = self._pitch
        frame, slice_ = int(where.x() // across), int(where.y() // down)
        inside = self._states is not None and frame < self._shape[0] and slice_ < self._shape[1]
        return (frame, slice_) if inside else None
