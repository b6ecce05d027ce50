"""The status line triggers no new layout during playback, unlike a label."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from napari_cmr_ssp.widgets.status_line import StatusLine


class Counter(QObject):
    layouts = 0

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        self.layouts += event is not None and event.type() == QEvent.Type.LayoutRequest
        return False


def shown(line: QWidget, qtbot: Any) -> QWidget:
    window = QWidget()
    QVBoxLayout(window).addWidget(line)
    qtbot.addWidget(window)
    window.resize(200, 100)
    with qtbot.waitExposed(window):
        window.show()
    QApplication.processEvents()
    return window


@pytest.mark.parametrize("kind", [StatusLine, QLabel])
def test_a_text_at_every_frame(qtbot: Any, kind: type[StatusLine | QLabel]) -> None:
    line, counter = kind(), Counter()
    window = shown(line, qtbot)
    window.installEventFilter(counter)
    for frame in range(4):
        line.setText(f"a: frame {frame}, slice 1")
        QApplication.processEvents()
    assert line.text() == "a: frame 3, slice 1"
    assert (counter.layouts == 0) is (kind is StatusLine)


def test_the_text_is_seen_and_a_long_one_is_cut(qtbot: Any) -> None:
    line = StatusLine()
    window = shown(line, qtbot)
    before = line.grab().toImage()
    line.setText("a: frame 1, slice 1")
    QApplication.processEvents()
    assert line.grab().toImage() != before
    line.setText("a name that is much longer than the line " * 5)
    QApplication.processEvents()
    assert window.width() == 200 and line.width() < 200
    assert line.toolTip() == line.text()
