"""A form that makes a recipe: a preset, the few settings that people touch, and all others folded away."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cmr_ssp.errors import Problem, RecipeError
from cmr_ssp.recipes import Recipe, load_recipe, parse_recipe, preset_names
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_cmr_ssp.panels.train.setting_fields import SettingFields, form_layout
from napari_cmr_ssp.panels.train.setting_row import ProblemLabel
from napari_cmr_ssp.panels.train.settings import differences, nested

_FIRST_PRESET, _LAST_PRESET = "cpu-small", "demo"
_TYPING_MS = 250


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
        self._fields: SettingFields | None = None
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
        assert self._fields is not None  # the form was made with a preset
        tree = nested(self._fields.values()) | {"method": self._presets[self.preset].method}
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
        alike.sort(key=lambda name: (len(differences(recipe, self._presets[name])), name != self.preset))
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
        return differences(self.value(), self._presets[self.preset])

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

    def _lay_out(self) -> None:
        self._combo.addItems(list(self._presets))
        self._combo.setToolTip("Where the settings start from. Choose it again to undo all changes.")
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
        """Return the fields of a recipe's model, which replace those of another."""
        if self._fields is not None and self._fields.model is model:
            return self._fields
        if self._fields is not None:
            self._fields.setParent(None)
            self._fields.deleteLater()
        self._fields = SettingFields(model, self._top)
        self._fields.edited.connect(self._timer.start)
        self._layout.insertWidget(1, self._fields)
        return self._fields

    def _check(self) -> None:
        """Validate, say what is wrong and what differs from the preset, and tell who listens."""
        assert self._fields is not None
        self._timer.stop()
        changed: dict[str, object] = {}
        self._problems = ()
        try:
            changed = self.changes()
        except RecipeError as error:
            self._problems = error.problems
        rest = self._fields.tell(self._problems, changed)
        self._general.show_texts([problem.what for problem in rest])
        self._state.setText(_summary(len(self._problems), len(changed)))
        self.changed.emit()


def _offered(methods: Sequence[str]) -> list[str]:
    """Return the presets of some methods, in their order: the usual one first, those of the demo last."""

    def place(name: str) -> tuple[bool, int, bool]:
        method, _, size = name.partition("/")
        return size == _LAST_PRESET, methods.index(method), size != _FIRST_PRESET

    return sorted((name for name in preset_names() if name.partition("/")[0] in methods), key=place)


def _summary(n_problems: int, n_changed: int) -> str:
    if n_problems:
        return "1 problem" if n_problems == 1 else f"{n_problems} problems"
    if n_changed:
        return "1 setting changed" if n_changed == 1 else f"{n_changed} settings changed"
    return "as shipped"
