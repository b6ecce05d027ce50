"""Tones are readable in both themes of napari, and follow changes of the theme."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cmr_ssp.errors import Problem, Severity
from cmr_ssp.events import EpochFinished, UpdateFinished
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QApplication, QStyleOptionViewItem, QVBoxLayout, QWidget
from tone_helpers import GROUNDS, components, contrast

from napari_cmr_ssp.panels.train.curves import Curves
from napari_cmr_ssp.widgets.tables import table_of
from napari_cmr_ssp.widgets.text_table import TONE_ROLE, TextTable, Tone
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel


class Toned(TextTable):
    """A row for every tone."""

    def data(self, index: Any, role: int = 0) -> Any:
        return tuple(Tone)[index.row()] if role == TONE_ROLE else super().data(index, role)


@pytest.mark.parametrize(("ground", "text"), GROUNDS)
def test_problems_and_cells_can_be_read(qtbot: Any, ground: str, text: str) -> None:
    around = QWidget()
    qtbot.addWidget(around)
    model = Toned(["what"])
    model.replace(tuple((tone,) for tone in Tone))
    label, table = ToneLabel(), table_of(model)
    layout = QVBoxLayout(around)
    layout.addWidget(label)
    layout.addWidget(table)
    label.setText(problem_html(Problem("a", "b", "c", severity) for severity in Severity))
    around.show()
    for before in (*GROUNDS, (ground, text)):  # whatever the theme was before
        around.setStyleSheet(f"QWidget {{ background-color: {before[0]}; color: {before[1]}; }}")
    found = re.findall(r"color:(#\w+)", label.text())
    assert len(set(found)) == len(Severity)
    for row in range(len(Tone)):
        option = QStyleOptionViewItem()
        table.initViewItemOption(option)
        table.itemDelegate().initStyleOption(option, model.index(row, 0))
        found.append(option.palette.color(QPalette.ColorRole.Text).name())
    assert len(set(found)) == len(Tone)
    assert all(contrast(components(colour), components(ground)) > 4.5 for colour in found), found


def test_text_from_outside_gets_no_tone(qtbot: Any) -> None:
    label = ToneLabel()
    qtbot.addWidget(label)
    outside = 'style="color:error"'
    label.setText(problem_html([Problem("where", outside, "do")]))
    assert "style=&quot;color:error&quot;" in label.text()


def test_curves_stand_on_the_ground_of_the_theme(qtbot: Any) -> None:
    around = QWidget()
    qtbot.addWidget(around)
    curves = Curves()
    QVBoxLayout(around).addWidget(curves)
    around.show()
    curves.add_event(UpdateFinished(1, 2, 1.0, None))
    curves.add_event(EpochFinished(1, 1, {"teacher_information": 0.5, "teacher_entropy": 2.0}))
    curves.add_event(EpochFinished(1, 2, {"teacher_information": float("nan")}))
    curves.redraw()
    assert curves.scores == [0.5]
    for plot in (pane.plot for pane in curves._panes):
        assert plot.isVisible()
        for ground, text in GROUNDS:
            around.setStyleSheet(f"QWidget {{ background-color: {ground}; color: {text}; }}")
            QApplication.processEvents()
            assert plot.grab().toImage().pixelColor(2, 2).name() == ground
    assert "teacher" in curves._panes[1].toolTip()
