"""Tools, actions, states and scores of the contours that are corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.editing.contours import Contours
from cmr_ssp.editing.outlines import Outline
from cmr_ssp.errors import Problem
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.panels.correct.compare_view import CompareView
from napari_cmr_ssp.panels.correct.state_map import STATE_COLOURS, StateMap
from napari_cmr_ssp.panels.correct.texts import (
    ACTION_ROWS,
    ACTIONS,
    KEY_OF_OUTLINE,
    OUTLINES,
    TOOLS,
    dice_text,
    role_text,
)
from napari_cmr_ssp.scene.contour_tools import LARGEST_MM, SMALLEST_MM, Tool, ToolSettings
from napari_cmr_ssp.widgets.choices import Choices
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

BY_HAND = "nothing: draw by hand"
_DRAFT_EVERY_MS = 4000
HIDDEN = "hidden"
_LOOKS = ("filled", "outline", HIDDEN)


class CorrectView(QWidget):
    """What can be done with contours.

    Signals: `start_requested` (name of a layer), `draft_requested`, `tool_chosen`, `settings_changed`,
    `action_requested` (name of an action), `place_requested` (frame, slice), `look_chosen` (filled, outline
    or hidden), and `tick` every few seconds.
    """

    start_requested = Signal(str)
    draft_requested = Signal()
    tool_chosen = Signal(Tool)
    settings_changed = Signal()
    action_requested = Signal(str)
    place_requested = Signal(int, int)
    look_chosen = Signal(str)
    tick = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tips: list[tuple[QWidget, str, str]] = []
        self.key_problems = ToneLabel()
        self.key_problems.hide()
        self.states = StateMap()
        self.states.place_requested.connect(self.place_requested.emit)
        self.counts, self.scores = QLabel(), QLabel()
        self.buttons: dict[str, QPushButton] = {}
        self._contours: Contours | None = None
        self._look_before = _LOOKS[0]
        self.editing = QWidget()
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.tick.emit)
        self._timer.start(_DRAFT_EVERY_MS)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802 - Qt's name
        """Ask for a draft when another tab is chosen or the dock is closed."""
        super().hideEvent(event)
        self.tick.emit()

    def fill_in(self, settings: ToolSettings) -> None:
        """Write what the controls say into the settings of the tools."""
        settings.tool = Tool(self.tools.value)
        settings.outline = Outline(self.outlines.value)
        settings.radius_mm = self.radius.value()
        settings.overwrites = self.overwrites.isChecked()

    def press(self, name: str) -> None:
        """Do what a key asks for, as if its control was used."""
        if name in set(Tool):
            self.tools.choose(name)
        elif name == "switch endo and epi":
            is_endo = self.outlines.value == Outline.ENDO
            self.outlines.choose(Outline.EPI if is_endo else Outline.ENDO)
        elif name == "structure RV":
            self.outlines.choose(Outline.RV)
        elif name == "hide":
            is_hidden = self.look.currentText() == HIDDEN
            self.look.setCurrentText(self._look_before if is_hidden else HIDDEN)
        else:
            self.action_requested.emit(name)

    def offer_sources(self, layers: Iterable[str]) -> None:
        """Offer segmentations to start from."""
        names = [*layers, BY_HAND]
        if names != [self.source.itemText(row) for row in range(self.source.count())]:
            self.source.clear()
            self.source.addItems(names)

    @property
    def offers_draft(self) -> bool:
        """Whether there is a draft to continue."""
        return not self.draft.isHidden()

    def offer_draft(self, when: str) -> None:
        """Offer to continue with a draft."""
        self.draft.setText(f"Continue the draft of {when}")
        self.draft.setVisible(bool(when))

    def show_contours(self, contours: Contours | None) -> None:
        """Show the state of contours, or how to start if there are none."""
        self._contours = contours
        self.starting.setVisible(contours is None)
        self.editing.setVisible(contours is not None)
        if contours is not None:
            self.draft.setVisible(False)
        self.states.show_states(contours.states if contours is not None else None)
        self.show_change()

    def show_change(self) -> None:
        """Show what changed in the contours."""
        contours = self._contours
        if contours is None:
            return
        self.states.update()
        self.buttons["undo"].setEnabled(contours.can_undo)
        self.buttons["redo"].setEnabled(contours.can_redo)
        counts = (
            f'<span style="color:{colour}">■</span> {contours.states.count(state)} {state.title}'
            for state, colour in STATE_COLOURS.items()
        )
        self.counts.setText(" &nbsp; ".join(counts))

    def show_scores(self, rows: Sequence[tuple[Phase, Mapping[Structure, float]]], role: str) -> None:
        """Show the 3D Dice of each labelled phase; `role` is what the subject is used for."""
        cells = " · ".join(dice_text(str(phase), found) for phase, found in rows)
        self.scores.setText(f"3D Dice against the reference{role_text(role)}: {cells}" if cells else "")

    def show_keys(self, keys: Mapping[str, str], problems: Sequence[Problem]) -> None:
        """Name the key of each action in the tool tips, and say what is wrong with the chosen keys."""
        for widget, tip, name in self._tips:
            widget.setToolTip(f"{tip} ({keys[name]})" if name in keys else tip)
        self.key_problems.setText(problem_html(problems))
        self.key_problems.setVisible(bool(problems))

    def show_radius(self, radius_mm: float) -> None:
        """Show a radius that was chosen by the wheel."""
        self.radius.setValue(radius_mm)

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.key_problems)
        layout.addWidget(self._starting_part())
        editing = QVBoxLayout(self.editing)
        editing.setContentsMargins(0, 0, 0, 0)
        editing.addLayout(self._tool_rows())
        editing.addLayout(self._action_rows())
        self.counts.setWordWrap(True)
        editing.addWidget(self.counts)
        editing.addWidget(self.states)
        self.scores.setWordWrap(True)
        editing.addWidget(self.scores)
        layout.addWidget(self.editing)
        self.compare = CompareView()
        layout.addWidget(self.compare)
        layout.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    def _starting_part(self) -> QWidget:
        """Make what is shown before anything is corrected."""
        self.starting = QWidget()
        layout = QVBoxLayout(self.starting)
        layout.setContentsMargins(0, 0, 0, 0)
        hint = QLabel("Correct a copy of a segmentation of the shown exam, or draw by hand.")
        hint.setWordWrap(True)
        self.source = QComboBox()
        self.source.setToolTip("What the contours start as; it is not changed itself")
        self.source.setAccessibleName("Start from")
        self.source.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.source.setMinimumContentsLength(12)
        self.start = QPushButton("Start correcting")
        self.start.setToolTip("Make contours to correct; a draft of them is kept every few seconds")
        self.start.clicked.connect(lambda: self.start_requested.emit(self.source.currentText()))
        self.draft = QPushButton()
        self.draft.setToolTip("Contours of this exam that were not finished")
        self.draft.clicked.connect(lambda: self.draft_requested.emit())
        self.draft.hide()
        layout.addWidget(hint)
        layout.addLayout(_row(QLabel("Start from"), self.source))
        layout.addLayout(_row(self.start, self.draft))
        self.offer_sources([])
        return self.starting

    def _tool_rows(self) -> QVBoxLayout:
        self.tools, self.outlines = self._choices(TOOLS), self._choices(OUTLINES)
        self.tools.chosen.connect(self._choose_tool)
        self.outlines.chosen.connect(lambda _: self.settings_changed.emit())
        self.radius = QDoubleSpinBox()
        self.radius.setRange(SMALLEST_MM, LARGEST_MM)
        self.radius.setDecimals(1)
        self.radius.setSuffix(" mm")
        self.radius.setValue(ToolSettings().radius_mm)
        self.radius.setToolTip("Radius of the push tool and the brush (Alt+wheel on the image)")
        self.radius.setAccessibleName("Radius")
        self.radius.valueChanged.connect(lambda _: self.settings_changed.emit())
        self.overwrites = QCheckBox("may overwrite")
        self.overwrites.setToolTip("Let a structure take pixels from others; otherwise it stops at them")
        self.overwrites.toggled.connect(lambda _: self.settings_changed.emit())
        self.look = QComboBox()
        self.look.addItems(_LOOKS)
        self._tips.append((self.look, "How contours are drawn; a key hides and shows them", "hide"))
        self.look.setAccessibleName("Look of contours")
        self.look.currentTextChanged.connect(self._choose_look)
        rows = QVBoxLayout()
        rows.addLayout(_row(self.tools))
        rows.addLayout(_row(self.outlines, self.look))
        radius = QLabel("Radius")
        radius.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        rows.addLayout(_row(radius, self.radius, self.overwrites))
        return rows

    def _action_rows(self) -> QVBoxLayout:
        rows = QVBoxLayout()
        for names in ACTION_ROWS:
            buttons = [self._action_button(name) for name in names]
            rows.addLayout(_row(*buttons))
        return rows

    def _action_button(self, name: str) -> QPushButton:
        text, tip = ACTIONS[name]
        button = self.buttons[name] = QPushButton(text)
        self._tips.append((button, tip, name))
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # equal in a row
        button.clicked.connect(lambda: self.action_requested.emit(name))
        return button

    def _choices(self, options: Mapping[str, tuple[str, str]]) -> Choices:
        choices = Choices(options)
        for option, (_, tip) in options.items():
            self._tips.append((choices.buttons[option], tip, KEY_OF_OUTLINE.get(option, option)))
        return choices

    def _choose_look(self, look: str) -> None:
        if look != HIDDEN:
            self._look_before = look
        self.look_chosen.emit(look)

    def _choose_tool(self, tool: str) -> None:
        self.settings_changed.emit()
        self.tool_chosen.emit(Tool(tool))


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    return row
