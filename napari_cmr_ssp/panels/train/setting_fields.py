"""Fields for all settings of a recipe model: basic ones first, then collapsed sections."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from cmr_ssp.errors import Problem
from cmr_ssp.recipes import Recipe
from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_cmr_ssp.panels.train.setting_row import SettingRow
from napari_cmr_ssp.panels.train.settings import COUNTS, Setting, flattened, key_of, settings_of, without_key
from napari_cmr_ssp.widgets.section import INDENT_PX, Section

_BASIC_OF_METHODS = ("mask.patch_px", "mask.hidden", "temperature", "threshold")
_BASIC = (*COUNTS, "batch_size", "optimiser.learning_rate", *_BASIC_OF_METHODS)
_SPACING_PX = 4


class SettingFields(QWidget):
    """Fields for the settings of `model`.

    Parameters
    ----------
    model : type
        A recipe model.
    top : QFormLayout
        Fields above these, with a shared column of labels.
    parent : QWidget, optional
        Parent widget.
    """

    edited = Signal()

    def __init__(self, model: type[Recipe], top: QFormLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.rows: dict[str, SettingRow] = {}
        self.sections: dict[str, Section] = {}
        self._count = COUNTS[0]
        self._top = top
        self._basic = form_layout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self._basic)
        layout.addSpacing(_SPACING_PX)
        for setting in settings_of(model):
            self._add(setting, layout)
        for key in _BASIC:
            if key in self.rows:
                self._basic.addRow(_label(self.rows[key]), self.rows[key])

    def values(self) -> dict[str, object]:
        """Return the values of the fields by key, without the count that the recipe does not use."""
        return {key: row.value() for key, row in self.rows.items() if not self._is_unused(key)}

    def show_values(self, recipe: Recipe) -> None:
        """Show a recipe of the model."""
        values = flattened(recipe)
        self._count = next(key for key in COUNTS if values[key] is not None)
        for key, row in self.rows.items():
            if not self._is_unused(key):
                row.set_value(values[key])
        for key in COUNTS:
            self._basic.setRowVisible(self.rows[key], not self._is_unused(key))

    def show_state(self, problems: Iterable[Problem], changed: Collection[str]) -> list[Problem]:
        """Show problems below their fields and changes in section titles; return problems of no field."""
        texts: dict[str, list[str]] = {key: [] for key in self.rows}
        rest = []
        for problem in problems:
            key = key_of(problem.what, self.rows)
            if key is None or self._is_unused(key):
                rest.append(problem)
            else:
                texts[key].append(without_key(problem.what, key))
        for key, row in self.rows.items():
            row.problem.show_texts(texts[key])
        for title, section in self.sections.items():
            keys = [k for k, row in self.rows.items() if row.setting.group == title and k not in _BASIC]
            section.show_state(sum(k in changed for k in keys), is_wrong=any(texts[k] for k in keys))
        return rest

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Give the label columns of all sections the same width."""
        super().showEvent(event)
        forms = [self._top, self._basic, *(section.form for section in self.sections.values())]
        labels = [(form, label) for form in forms for label in _labels_of(form)]
        for _, label in labels:
            label.ensurePolished()
        widest = max(label.sizeHint().width() for _, label in labels)
        for form, label in labels:
            label.setMinimumWidth(widest + INDENT_PX - form.contentsMargins().left())

    def _add(self, setting: Setting, layout: QVBoxLayout) -> None:
        if setting.key in COUNTS:
            setting = replace(setting, if_empty=None)  # the count in use needs a value
        row = self.rows[setting.key] = SettingRow(setting)
        row.edited.connect(self.edited)
        if setting.key in _BASIC:
            return
        if setting.group not in self.sections:
            self.sections[setting.group] = Section(setting.group, form_layout())
            layout.addWidget(self.sections[setting.group])
        self.sections[setting.group].form.addRow(_label(row), row)

    def _is_unused(self, key: str) -> bool:
        return key in COUNTS and key != self._count


def form_layout() -> QFormLayout:
    """Create a layout of labels and fields."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(_SPACING_PX)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return form


def _label(row: SettingRow) -> QLabel:
    label = QLabel(row.setting.title)
    label.setToolTip(row.setting.about)
    label.setBuddy(row.field.native)
    return label


def _labels_of(form: QFormLayout) -> list[QWidget]:
    items = [form.itemAt(i, QFormLayout.ItemRole.LabelRole) for i in range(form.rowCount())]
    return [widget for item in items if item is not None and (widget := item.widget()) is not None]
