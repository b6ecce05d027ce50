"""A bull's-eye of the AHA segments that can be pointed at."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyqtgraph
from cmr_ssp.function.aha import SegmentValue
from cmr_ssp.function.segments import APEX, SEGMENT_NAMES
from cmr_ssp.reports.bullseye import COLOUR_MAP, WEDGES, ink_on, text_of, value_range
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QBrush,
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from qtpy.QtWidgets import QToolTip, QWidget

_SIZE = QSize(260, 260)
_LEAST_SIZE = QSize(180, 180)
_MARGIN = 6
_ROOM_FOR_TWO, _TEXT_OF_TWO, _TEXT_OF_ONE = 30, 0.36, 0.45
_FAINT = 70
_STEPS: dict[int, int] = {Qt.Key.Key_Right: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_Left: 1, Qt.Key.Key_Up: -1}
_CHOOSE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class Bullseye(QWidget):
    """Bull's-eye with a tool tip for each segment.

    A click chooses a segment; arrow keys go through the segments and Enter chooses.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.

    Attributes
    ----------
    chosen : Signal
        Emitted with the AHA number of a segment that the user chose.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[int, SegmentValue] = {}
        self._limits = (0.0, 1.0)
        self._current: int | None = None
        self._shades = pyqtgraph.colormap.get(COLOUR_MAP)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(_LEAST_SIZE)
        self.setAccessibleName("Bull's-eye of the AHA segments")
        self.setToolTip("No measurement")

    def show_values(self, values: Sequence[SegmentValue], limits: tuple[float, float] | None = None) -> None:
        """Show one quantity; `limits` are the values at the ends of the colour map."""
        self._values = {each.segment: each for each in values}
        self._limits = limits or value_range(values)
        if self._current not in self.segments:
            self._current = None
        self.setToolTip("Point at a segment, or use the arrow keys" if values else "No measurement")
        self.update()

    @property
    def segments(self) -> list[int]:
        """The segments that are drawn: 17 only if it was given."""
        return [segment for segment in WEDGES if segment != APEX or segment in self._values]

    @property
    def current(self) -> int | None:
        """The segment with the thick border: the last one chosen or reached with the arrow keys."""
        return self._current

    def segment_at(self, point: QPointF) -> int | None:
        """Return the segment at a position in the widget, None outside."""
        centre, radius = self._circle()
        x, y = (point.x() - centre.x()) / radius, (centre.y() - point.y()) / radius
        distance, angle = math.hypot(x, y), math.degrees(math.atan2(y, x)) % 360
        for segment in self.segments:
            wedge = WEDGES[segment]
            if wedge.inner <= distance < wedge.outer and (angle - wedge.start_deg) % 360 < wedge.span_deg:
                return segment
        return None

    def place_of(self, segment: int) -> QPointF:
        """Return the middle of a segment in the widget."""
        centre, radius = self._circle()
        x, y = WEDGES[segment].middle
        return QPointF(centre.x() + radius * x, centre.y() - radius * y)

    def text_for(self, segment: int) -> str:
        """Return the tool tip of a segment."""
        value = self._values.get(segment)
        return value.sentence if value else f"Segment {segment} ({SEGMENT_NAMES[segment]}): no measurement."

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the preferred size."""
        return _SIZE

    def event(self, event: QEvent | None) -> bool:
        """Show the tool tip of the segment under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            segment = self.segment_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self.text_for(segment) if segment else self.toolTip(), self)
            return True
        return bool(super().event(event))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Choose the segment under the mouse."""
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return super().mousePressEvent(event)
        segment = self.segment_at(event.position())
        if segment is not None:
            self._go(segment)
            self.chosen.emit(segment)
        return None

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go through the segments and choose."""
        key = event.key() if event is not None else None
        if key in _STEPS:
            segments = self.segments
            place = segments.index(self._current) + _STEPS[key] if self._current in segments else 0
            self._go(segments[place % len(segments)])
            middle = self.place_of(segments[place % len(segments)]).toPoint()
            QToolTip.showText(self.mapToGlobal(middle), self.text_for(segments[place % len(segments)]), self)
        elif key in _CHOOSE and self._current is not None:
            self.chosen.emit(self._current)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002, N802 - Qt's name
        """Draw all segments, the current one last."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(
            max(8, round(self._ring() * (_TEXT_OF_TWO if self._has_numbers() else _TEXT_OF_ONE)))
        )
        painter.setFont(font)
        if self.hasFocus():
            centre, radius = self._circle()
            painter.setPen(QPen(self.palette().highlight().color(), 2))
            painter.drawEllipse(centre, radius + 3, radius + 3)
        for segment in sorted(self.segments, key=lambda each: each == self._current):
            self._draw(painter, segment)
        painter.end()

    def _go(self, segment: int) -> None:
        self._current = segment
        self.setAccessibleDescription(self.text_for(segment))
        self.update()

    def _circle(self) -> tuple[QPointF, float]:
        radius = max(1.0, min(self.width(), self.height()) / 2 - _MARGIN)
        return QPointF(self.width() / 2, self.height() / 2), radius

    def _ring(self) -> float:
        """Return the width of a ring in pixels."""
        return self._circle()[1] * (WEDGES[1].outer - WEDGES[1].inner)

    def _has_numbers(self) -> bool:
        """Return whether there is room for the numbers of the segments above their values."""
        return self._ring() >= _ROOM_FOR_TWO

    def _label(self, segment: int) -> str:
        if not self._values:
            return str(segment)
        shown = text_of(self._values.get(segment))
        return f"{segment}\n{shown}" if self._has_numbers() else shown

    def _draw(self, painter: QPainter, segment: int) -> None:
        value, text = self._values.get(segment), self.palette().windowText().color()
        is_current = segment == self._current
        painter.setPen(QPen(text, 3 if is_current else 1))
        ink, fill = (
            text,
            QBrush(QColor(text.red(), text.green(), text.blue(), 70), Qt.BrushStyle.BDiagPattern),
        )
        if value is not None and value.value is not None:
            low, high = self._limits
            colour = self._shades.map((value.value - low) / (high - low), mode="qcolor")
            ink, fill = QColor(ink_on(colour.redF(), colour.greenF(), colour.blueF())), QBrush(colour)
        painter.setBrush(fill)
        painter.drawPath(self._path(segment))
        painter.setPen(ink)
        box = QRectF(0, 0, 80, 40)
        box.moveCenter(self.place_of(segment))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._label(segment))

    def _path(self, segment: int) -> QPainterPath:
        wedge, (centre, radius) = WEDGES[segment], self._circle()
        inner, outer = (
            QRectF(centre.x() - size, centre.y() - size, 2 * size, 2 * size)
            for size in (wedge.inner * radius, wedge.outer * radius)
        )
        path = QPainterPath()
        if segment == APEX:
            path.addEllipse(outer)
            return path
        path.arcMoveTo(outer, wedge.start_deg)
        path.arcTo(outer, wedge.start_deg, wedge.span_deg)
        path.arcTo(inner, wedge.start_deg + wedge.span_deg, -wedge.span_deg)
        path.closeSubpath()
        return path
