"""A form for a recipe: preset, basic settings, and collapsed sections with all others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar, overload

from cmr_ssp.errors import Problem, RecipeError
from cmr_ssp.recipes import Recipe, load_recipe, parse_recipe, preset_names
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_cmr_ssp.panels.train.setting_fields import SettingFields, form_layout
from napari_cmr_ssp.panels.train.setting_row import ProblemLabel
from napari_cmr_ssp.panels.train.settings import differences, nested

_FIRST_PRESET, _LAST_PRESET = "cpu-small", "demo"
_TYPING_MS = 250

_RecipeT = TypeVar("_RecipeT", bound=Recipe)


class RecipeForm(QWidget):
    """Form that shows and creates recipes of some methods; it has no scroll bar.

    Parameters
    ----------
    methods : sequence of str
        Methods of the recipes, such as ``("mim",)`` or ``("scratch", "finetune")``.
    parent : QWidget, optional
        Parent widget.

    Attributes
    ----------
    changed : Signal
        Emitted after edits were checked, valid or not.
    """

    changed = Signal()

    def __init__(self, methods: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._methods = tuple(methods)
        names = _presets_of(self._methods)
        self._presets = {name: load_recipe(name) for name in names}
        self._problems: tuple[Problem, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING_MS)
        self._timer.timeout.connect(self._check)
        self._combo = QComboBox()
        self._lay_out()
        self._fields = self._make_fields(type(self._presets[names[0]]))
        self.set_preset(names[0])

    @property
    def preset(self) -> str:
        """Name of the preset that settings are compared with."""
        return self._combo.currentText()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Problems with the settings found in the last check."""
        return self._problems

    @overload
    def value(self) -> Recipe: ...

    @overload
    def value(self, kind: type[_RecipeT]) -> _RecipeT: ...

    def value(self, kind: type[Recipe] = Recipe) -> Recipe:
        """Return the recipe.

        Parameters
        ----------
        kind : type of Recipe
            Type of the recipe, such as `PretrainRecipe`.

        Raises
        ------
        RecipeError
            If settings are invalid, or the recipe is of another type.
        """
        tree = nested(self._fields.values()) | {"method": self._presets[self.preset].method}
        return parse_recipe(tree, self.preset, kind=kind, methods=self._methods)

    def set_value(self, recipe: Recipe) -> None:
        """Show a recipe as changes of the preset of its method that differs least.

        Raises
        ------
        RecipeError
            If the method is not one of the form.
        """
        alike = [name for name, preset in self._presets.items() if preset.method == recipe.method]
        if not alike:
            remedy = f"Use a recipe whose method is {' or '.join(self._methods)}."
            raise RecipeError.of("recipe", f"the method {recipe.method!r} does not fit here", remedy)
        alike.sort(key=lambda name: (len(differences(recipe, self._presets[name])), name != self.preset))
        self._show(alike[0], recipe)

    def set_preset(self, name: str) -> None:
        """Show an unchanged preset.

        Raises
        ------
        RecipeError
            If the form has no such preset.
        """
        if name not in self._presets:
            raise RecipeError.of(
                name, "it is not a preset of this form", f"Choose one of {', '.join(self._presets)}."
            )
        self._show(name, self._presets[name])

    def changes(self) -> dict[str, object]:
        """Return the settings that differ from the preset, by dotted key.

        Raises
        ------
        RecipeError
            If settings are invalid.
        """
        return differences(self.value(), self._presets[self.preset])

    def command_line_settings(self) -> list[str]:
        """Return the command-line arguments for this recipe.

        Raises
        ------
        RecipeError
            If settings are invalid.
        """
        arguments = ["--preset", self.preset]
        for key, value in self.changes().items():
            text = value if isinstance(value, str) else json.dumps(value)
            arguments += ["--set", f"{key}={text}"]
        return arguments

    def _lay_out(self) -> None:
        self._combo.addItems(list(self._presets))
        self._combo.setToolTip("Preset that the settings start from. Select it again to undo all changes.")
        self._combo.setAccessibleName("Preset")
        self._combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._combo.textActivated.connect(self.set_preset)
        self._state = QLabel()
        self._general = ProblemLabel()
        self._top = form_layout()
        self._top.addRow(QLabel("Preset"), self._combo)
        self._top.addRow(QLabel(), self._state)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addLayout(self._top)
        self._layout.addWidget(self._general)
        self._layout.addStretch()

    def _show(self, preset: str, recipe: Recipe) -> None:
        self._combo.setCurrentText(preset)
        self._fields_for(type(recipe)).show_values(recipe)
        self._check()

    def _fields_for(self, model: type[Recipe]) -> SettingFields:
        """Return the fields of a recipe model; replace those of another model."""
        if self._fields.model is not model:
            self._fields.setParent(None)
            self._fields.deleteLater()
            self._fields = self._make_fields(model)
        return self._fields

    def _make_fields(self, model: type[Recipe]) -> SettingFields:
        fields = SettingFields(model, self._top)
        fields.edited.connect(self._timer.start)
        self._layout.insertWidget(1, fields)
        return fields

    def _check(self) -> None:
        """Validate, show problems and changes of the preset, and emit `changed`."""
        self._timer.stop()
        changed: dict[str, object] = {}
        self._problems = ()
        try:
            changed = self.changes()
        except RecipeError as error:
            self._problems = error.problems
        rest = self._fields.show_state(self._problems, changed)
        self._general.show_texts([problem.what for problem in rest])
        self._state.setText(_summary(len(self._problems), len(changed)))
        self.changed.emit()


def _presets_of(methods: Sequence[str]) -> list[str]:
    """Return the presets of methods, with the default one first and those of the demo last."""

    def place(name: str) -> tuple[bool, int, bool]:
        method, _, size = name.partition("/")
        return size == _LAST_PRESET, methods.index(method), size != _FIRST_PRESET

    return sorted((name for name in preset_names() if name.partition("/")[0] in methods), key=place)


def _summary(n_problems: int, n_changed: int) -> str:
    if n_problems:
        return "1 problem" if n_problems == 1 else f"{n_problems} problems"
    if n_changed:
        return "1 setting changed" if n_changed == 1 else f"{n_changed} settings changed"
    return "no changes"
