"""Window tests load only the requested Qt binding."""

from __future__ import annotations

import os
import sys
from typing import Any

from qtpy import API_NAME
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QFormLayout

from napari_cmr_ssp.widgets.section import Section

MODULES = {"pyqt6": "PyQt6.QtWidgets", "pyside6": "PySide6.QtWidgets"}


def test_one_binding_is_loaded(qapp: Any) -> None:
    asked = os.environ["QT_API"]
    assert API_NAME.lower() == asked
    assert {name for name, module in MODULES.items() if module in sys.modules} == {asked}


def test_a_section_opens_and_folds_without_an_icon(qtbot: Any) -> None:
    section = Section("More", QFormLayout())
    qtbot.addWidget(section)
    for expanded in (True, False):
        section.expand(animate=False) if expanded else section.collapse(animate=False)
        icon: QIcon = section.toggleButton().icon()
        pixmap = icon.pixmap(16, 16).toImage()
        assert all(pixmap.pixelColor(x, 0).alpha() == 0 for x in range(pixmap.width()))
        assert section.text().startswith("▾" if expanded else "▸")
