"""Manners of all controls: a tool tip each, reachable by keyboard, and no growth of a small window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QTabBar, QWidget
from window_helpers import docked

from napari_cmr_ssp.workbench import Workbench

CONTROLS = (QAbstractButton, QComboBox, QAbstractSpinBox)
OF_QT = ("qt_", "ScrollLeftButton", "ScrollRightButton")


@pytest.fixture
def bench(viewer: Any, tmp_path: Path) -> Any:
    bench = docked(viewer, tmp_path)
    yield bench
    bench.close_down()


def controls(bench: Workbench) -> list[QWidget]:
    """Return the controls that the workbench made; those within other controls are Qt's."""
    found = [each for kind in CONTROLS for each in bench.findChildren(kind)]
    panels = [each.view for each in bench._panels]
    found += [each for view in panels for kind in CONTROLS for each in view.findChildren(kind)]
    return [each for each in dict.fromkeys(found) if not is_part(each)]


def name(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else widget.accessibleName()
    return f"{type(widget).__name__} {text!r} in {type(widget.parent()).__name__}"


def is_part(widget: QWidget) -> bool:
    parent = widget.parent()
    inside = isinstance(parent, (*CONTROLS, QTabBar, QLineEdit))
    return inside or widget.objectName().startswith(OF_QT)


def test_every_control_has_a_tool_tip(bench: Workbench) -> None:
    silent = [name(each) for each in controls(bench) if not each.toolTip()]
    assert not silent, "\n".join(silent)


def test_every_control_is_reached_by_the_keyboard(bench: Workbench) -> None:
    mute = [each for each in controls(bench) if each.focusPolicy() == Qt.FocusPolicy.NoFocus]
    assert [f"{type(each).__name__} {each.toolTip()}" for each in mute] == []


def test_the_workbench_fits_a_small_window(bench: Workbench) -> None:
    size = bench.minimumSizeHint()
    assert size.width() <= 460 and size.height() <= 560, (size.width(), size.height())
