"""The bull's-eye in the window: what is drawn where, mouse, keyboard and tool tips."""

from __future__ import annotations

from typing import Any

import pytest
from cmr_ssp.function.aha import SegmentValue
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip, QVBoxLayout, QWidget
from tone_helpers import GROUNDS, components, contrast

from napari_cmr_ssp.widgets.bullseye import Bullseye


def values(n: int = 17) -> list[SegmentValue]:
    return [
        SegmentValue(number, None if number == 6 else float(number), "mm", "wall thickness", 0, (2,), "open")
        for number in range(1, n + 1)
    ]


@pytest.fixture
def eye(qtbot: Any) -> Bullseye:
    eye = Bullseye()
    qtbot.addWidget(eye)
    eye.resize(300, 240)
    eye.show_values(values())
    eye.show()
    return eye


def test_every_segment_is_found_where_it_is_drawn(eye: Bullseye) -> None:
    assert [eye.segment_at(eye.place_of(segment)) for segment in range(1, 18)] == list(range(1, 18))
    assert eye.segment_at(QPointF(1, 1)) is None
    assert eye.place_of(1).y() < eye.place_of(7).y() < eye.place_of(17).y() < eye.place_of(10).y()
    assert eye.place_of(14).x() < eye.place_of(17).x() < eye.place_of(16).x()
    eye.show_values(values(16))
    assert eye.segments == list(range(1, 17))
    assert eye.segment_at(QPointF(150, 120)) is None


def test_click_chooses_a_segment(eye: Bullseye, qtbot: Any) -> None:
    for segment in (8, 17):
        with qtbot.waitSignal(eye.chosen) as caught:
            qtbot.mouseClick(eye, Qt.MouseButton.LeftButton, pos=eye.place_of(segment).toPoint())
        assert caught.args == [segment] and eye.current == segment
    with qtbot.assertNotEmitted(eye.chosen):
        qtbot.mouseClick(eye, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
        qtbot.mouseClick(eye, Qt.MouseButton.RightButton, pos=eye.place_of(3).toPoint())
    eye.show_values(values(16))
    assert eye.current is None


def test_keyboard_reaches_every_segment(eye: Bullseye, qtbot: Any) -> None:
    reached = []
    for _ in range(17):
        qtbot.keyClick(eye, Qt.Key.Key_Down)
        reached.append(eye.current)
    assert reached == list(range(1, 18))
    qtbot.keyClick(eye, Qt.Key.Key_Up)
    with qtbot.waitSignal(eye.chosen) as caught:
        qtbot.keyClick(eye, Qt.Key.Key_Return)
    assert caught.args == [16]
    assert eye.accessibleDescription().startswith("Segment 16 (apical lateral)")


def test_tool_tip_of_each_segment(eye: Bullseye) -> None:
    start = "Segment 6 (basal anterolateral), frame 0"
    texts = {
        8: "Segment 8 (mid anteroseptal), frame 0: wall thickness 8.0 mm (1 slice).",
        6: f"{start}: wall thickness not available, open.",
    }
    for segment, text in texts.items():
        place = eye.place_of(segment).toPoint()
        QApplication.sendEvent(eye, QHelpEvent(QEvent.Type.ToolTip, place, eye.mapToGlobal(place)))
        assert QToolTip.text() == text
    eye.show_values([])
    assert eye.toolTip() == "No measurement"
    assert eye.text_for(2) == "Segment 2 (basal anteroseptal): no measurement."


@pytest.mark.parametrize(("ground", "text"), GROUNDS)
def test_colours_follow_the_values_and_what_is_missing_follows_the_theme(
    qtbot: Any, ground: str, text: str
) -> None:
    around = QWidget()
    qtbot.addWidget(around)
    around.setStyleSheet(f"QWidget {{ background-color: {ground}; color: {text}; }}")
    eye = Bullseye()
    QVBoxLayout(around).addWidget(eye)
    eye.show_values(values())
    around.resize(400, 400)
    around.show()
    picture = eye.grab().toImage()
    scale = picture.width() / eye.width()

    def seen(segment: int) -> QColor:
        """Return the colour between the number of a segment and its border."""
        return QColor(picture.pixelColor(((eye.place_of(segment) + QPointF(0, -19)) * scale).toPoint()))

    brightness = [components(seen(segment).name())[1] for segment in (1, 4, 7, 10, 14)]
    assert brightness == sorted(brightness) and len(set(brightness)) == 5
    assert contrast(components(seen(6).name()), components(ground)) < 2.5
    assert contrast(components(seen(14).name()), components(seen(1).name())) > 4
