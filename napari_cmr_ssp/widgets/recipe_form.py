"""A form that makes a recipe: a preset, the few settings that people touch, and all others folded away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from cmr_ssp.errors import Problem, RecipeError
from cmr_ssp.recipes import Recipe, load_recipe, parse_recipe, preset_names
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_cmr_ssp.widgets.section import INDENT_PX, Section
from napari_cmr_ssp.widgets.setting_row import ProblemLabel, SettingRow
from napari_cmr_ssp.widgets.settings import flattened, nested, settings_of

_FEW = (
    "epochs",
    "updates",
    "batch_size",
    "optimiser.learning_rate",
    "mask.patch_px",
    "mask.hidden",
)
_COUNTS = ("epochs", "updates")
_LAST_PRESET = "demo"
_TYPING_MS = 250
_SPACING_PX = 4


class RecipeForm(QWidget):
    """Shows and makes recipes of some methods; knows nothing of what runs them.

    It has no scroll bar of its own: whoever shows it with other things scrolls them together.

    Parameters
    ----------
    methods : sequence of str
        The recipes' methods, such as ``("mim",)`` or ``("scratch", "finetune")``.
    parent : QWidget, optional
        Of the form.

    Attributes
    ----------
    changed : Signal
        After edits, once they were checked, whether they are valid or not.
    """

    changed = Signal()

    def __init__(self, methods: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._methods = tuple(methods)
        names = _offered(self._methods)
        self._presets = {name: load_recipe(name) for name in names}
        self._rows: dict[str, SettingRow] = {}
        self._sections: dict[str, Section] = {}
        self._problems: tuple[Problem, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING_MS)
        self._timer.timeout.connect(self._check)
        self._combo = QComboBox()
        self._lay_out()
        self.set_preset(names[0])

    @property
    def preset(self) -> str:
        """Name of the preset that the settings are compared with."""
        return self._combo.currentText()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the settings, as of the last check."""
        return self._problems

    def value(self) -> Recipe:
        """Return the recipe.

        Raises
        ------
        RecipeError
            With every setting that is wrong.
        """
        values = {key: row.value() for key, row in self._rows.items() if not self._is_other_count(key)}
        tree = nested(values) | {"method": self._presets[self.preset].method}
        return parse_recipe(tree, self.preset, methods=self._methods)

    def set_value(self, recipe: Recipe) -> None:
        """Show a recipe, as a change of the preset of its method that differs least.

        Raises
        ------
        RecipeError
            Where the recipe's method is none of the form's.
        """
        alike = [name for name, preset in self._presets.items() if preset.method == recipe.method]
        if not alike:
            remedy = f"Give a recipe whose method is {' or '.join(self._methods)}."
            raise RecipeError.of("recipe", f"has the method {recipe.method!r}, of no use here", remedy)
        alike.sort(key=lambda name: (len(_differences(recipe, self._presets[name])), name != self.preset))
        self._show(alike[0], recipe)

    def set_preset(self, name: str) -> None:
        """Show a preset as it is shipped.

        Raises
        ------
        RecipeError
            Where the form has no such preset.
        """
        if name not in self._presets:
            raise RecipeError.of(name, "is no preset here", f"Choose one of {', '.join(self._presets)}.")
        self._show(name, self._presets[name])

    def changes(self) -> dict[str, object]:
        """Return the settings that differ from the preset, by dotted key.

        Raises
        ------
        RecipeError
            With every setting that is wrong.
        """
        return _differences(self.value(), self._presets[self.preset])

    def command_line_settings(self) -> list[str]:
        """Return the arguments that give the same recipe on the command line.

        Raises
        ------
        RecipeError
            With every setting that is wrong.
        """
        arguments = ["--preset", self.preset]
        for key, value in self.changes().items():
            text = value if isinstance(value, str) else json.dumps(value)
            arguments += ["--set", f"{key}={text}"]
        return arguments

    # the window

    def _lay_out(self) -> None:
        self._combo.addItems(list(self._presets))
        self._combo.setToolTip("Where the settings start from. Choose it again to undo all changes.")
        self._combo.setAccessibleName("Preset")
        self._combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._combo.textActivated.connect(self.set_preset)
        self._state = QLabel()
        self._general = ProblemLabel()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._top = _form_layout()
        self._top.addRow(QLabel("Preset"), self._combo)
        self._top.addRow(QLabel(), self._state)
        self._layout.addLayout(self._top)
        self._body = QWidget()
        self._layout.addWidget(self._body)
        self._layout.addWidget(self._general)
        self._layout.addStretch()

    def _build(self, recipe: Recipe) -> None:
        """Make the fields of a recipe's model."""
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self._few = _form_layout()
        layout.addLayout(self._few)
        layout.addSpacing(6)
        self._rows, self._sections = {}, {}
        for setting in settings_of(type(recipe)):
            if setting.key in _COUNTS:
                setting = replace(setting, if_empty=None)  # the one that counts has a value
            row = self._rows[setting.key] = SettingRow(setting)
            row.edited.connect(self._timer.start)
            if setting.key in _FEW:
                continue
            if setting.group not in self._sections:
                section = self._sections[setting.group] = Section(setting.group, _form_layout())
                layout.addWidget(section)
            self._sections[setting.group].form.addRow(_label(row), row)
        for key in _FEW:
            if key in self._rows:
                self._few.addRow(_label(self._rows[key]), self._rows[key])
        self._layout.replaceWidget(self._body, body)
        self._body.setParent(None)
        self._body.deleteLater()
        self._body = body
        self._model = type(recipe)
        self._align()

    def _align(self) -> None:
        """Give all groups the same column of labels."""
        forms = [self._top, self._few, *(section.form for section in self._sections.values())]
        labels = [(form, label) for form in forms for label in _labels_of(form)]
        for _, label in labels:
            label.ensurePolished()  # the theme's font
        widest = max(label.sizeHint().width() for _, label in labels)
        for form, label in labels:
            label.setMinimumWidth(widest + INDENT_PX - form.contentsMargins().left())

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Measure the labels in the window's font."""
        super().showEvent(event)
        self._align()

    def _show(self, preset: str, recipe: Recipe) -> None:
        if not self._rows or type(recipe) is not self._model:
            self._build(recipe)
        self._combo.setCurrentText(preset)
        for key, value in flattened(recipe).items():
            if value is not None or key not in _COUNTS:
                self._rows[key].set_value(value)
        self._count = "updates" if recipe.epochs is None else "epochs"
        for key in _COUNTS:
            self._few.setRowVisible(self._rows[key], not self._is_other_count(key))
        self._check()

    def _is_other_count(self, key: str) -> bool:
        return key in _COUNTS and key != self._count

    def _check(self) -> None:
        """Validate, and say under each field what is wrong with it."""
        self._timer.stop()
        changed: dict[str, object] = {}
        try:
            changed = self.changes()
            self._problems = ()
        except RecipeError as error:
            self._problems = error.problems
        told = self._tell_fields()
        rest = [problem.what for problem in self._problems if problem not in told]
        self._general.show_problems(rest)
        for title, section in self._sections.items():
            keys = [key for key, row in self._rows.items() if row.setting.group == title and key not in _FEW]
            section.tell(sum(key in changed for key in keys), is_wrong=any(self._is_wrong(k) for k in keys))
        self._state.setText(self._summary(len(changed)))
        self.changed.emit()

    def _tell_fields(self) -> list[Problem]:
        """Show each problem under the field that it begins with; return those that were shown."""
        by_key: dict[str, list[Problem]] = {key: [] for key in self._rows}
        for problem in self._problems:
            key = _key_of(problem, self._rows)
            if key is not None:
                by_key[key].append(problem)
        for key, row in self._rows.items():
            row.problem.show_problems([_without_key(problem.what, key) for problem in by_key[key]])
        return [problem for problems in by_key.values() for problem in problems]

    def _is_wrong(self, key: str) -> bool:
        return bool(self._rows[key].problem.text())

    def _summary(self, n_changed: int) -> str:
        if self._problems:
            return "1 problem" if len(self._problems) == 1 else f"{len(self._problems)} problems"
        if not n_changed:
            return "as shipped"
        return "1 setting changed" if n_changed == 1 else f"{n_changed} settings changed"


def _offered(methods: Sequence[str]) -> list[str]:
    """Return the presets of some methods, in their order; those of the demo last."""
    names = [name for method in methods for name in preset_names() if name.startswith(f"{method}/")]
    return sorted(names, key=lambda name: name.endswith(f"/{_LAST_PRESET}"))


def _label(row: SettingRow) -> QLabel:
    label = QLabel(row.setting.title)
    label.setToolTip(row.setting.about)
    label.setBuddy(row.field.native)
    return label


def _form_layout() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(_SPACING_PX)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return form


def _labels_of(form: QFormLayout) -> list[QWidget]:
    items = [form.itemAt(i, QFormLayout.ItemRole.LabelRole) for i in range(form.rowCount())]
    return [widget for item in items if item is not None and (widget := item.widget()) is not None]


def _differences(recipe: Recipe, preset: Recipe) -> dict[str, object]:
    """Return the settings of `recipe` that `preset` has otherwise; one count replaces the other."""
    theirs = flattened(preset)
    found = {key: value for key, value in flattened(recipe).items() if value != theirs[key]}
    return {key: value for key, value in found.items() if value is not None or key not in _COUNTS}


def _key_of(problem: Problem, rows: dict[str, SettingRow]) -> str | None:
    """Return the setting that a problem is about, which it begins with."""
    first = problem.what.partition(" ")[0].rstrip(":")
    place, _, index = first.rpartition(".")
    return next((key for key in (first, place if index.isdigit() else "") if key in rows), None)


def _without_key(what: str, key: str) -> str:
    """Return a problem's text without the key, which stands beside it already."""
    rest = what.removeprefix(key)
    index, colon, reason = rest.removeprefix(".").partition(": ")
    if rest.startswith(".") and colon and index.isdigit():
        return f"number {int(index) + 1}: {reason}"
    return rest.removeprefix(":").strip()
