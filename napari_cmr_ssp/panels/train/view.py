"""What a training is to be: stage, method, source, name, time and recipe; and its curves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.errors import Problem
from cmr_ssp.recipes import is_pretraining, method, methods
from cmr_ssp.runs import RunSummary
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.panels.train.curves import Curves
from napari_cmr_ssp.panels.train.recipe_form import RecipeForm
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

_PRETRAIN, _FINETUNE = "Pretrain on all slices, without labels", "Train on the ticked labels"
_FROM_SCRATCH = "nothing: from scratch"
_TRAINING = ("scratch", "finetune")


class TrainView(QWidget):
    """Pretraining and fine-tuning.

    Every method has a form of its own, made when it is first looked at: what was set for one method is there
    when the user returns to it, and nothing of it is in the recipe of another.

    Signals: `source_changed` when another stage, method or source is shown, `source_chosen` when the user
    chose the source, `name_typed`, `form_changed`, `start_asked` and `copy_asked`.
    """

    source_changed = Signal()
    source_chosen = Signal()
    name_typed = Signal()
    form_changed = Signal()
    start_asked = Signal()
    copy_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method = _method_box()
        self.stage = QComboBox()
        self.stage.addItems([_PRETRAIN, _FINETUNE])
        self.source = QComboBox()
        self.source.setToolTip("The pretraining run whose weights training starts from")
        self.source.addItem(_FROM_SCRATCH, None)
        self.name = QLineEdit()
        self.minutes = _minutes_box()
        self._forms: dict[tuple[str, ...], RecipeForm] = {}
        self.about = ToneLabel()
        self.start = QPushButton("Start")
        self.copy = QPushButton("Copy command")
        self.copy.setToolTip("The same on the command line")
        self.curves = Curves()
        self._lay_out()
        self.stage.currentIndexChanged.connect(lambda _: self._show_stage())
        self.method.currentIndexChanged.connect(lambda _: self._show_stage())
        self.source.currentIndexChanged.connect(lambda _: self.source_changed.emit())
        self.source.activated.connect(lambda _: self.source_chosen.emit())
        self.name.textEdited.connect(lambda _: self.name_typed.emit())
        self.start.clicked.connect(lambda _: self.start_asked.emit())
        self.copy.clicked.connect(lambda _: self.copy_asked.emit())
        self._show_stage()

    @property
    def pretrains(self) -> bool:
        """Whether the pretraining stage is chosen."""
        return self.stage.currentText() == _PRETRAIN

    @property
    def form(self) -> RecipeForm:
        """The settings of the chosen stage."""
        methods = (str(self.method.currentData()),) if self.pretrains else _TRAINING
        if methods not in self._forms:
            form = self._forms[methods] = RecipeForm(methods)
            form.changed.connect(self.form_changed.emit)
            self._column.addWidget(form)
        return self._forms[methods]

    @property
    def method_asked(self) -> str:
        """The method of the recipe that is asked for."""
        if self.pretrains:
            return str(self.method.currentData())
        return "scratch" if self.pretrained is None else "finetune"

    @property
    def pretrained(self) -> Path | None:
        """The run that training starts from."""
        return None if self.pretrains else self.listed_source

    @property
    def listed_source(self) -> Path | None:
        """The run that is chosen to start from, whatever the stage."""
        chosen = self.source.currentData()
        return None if chosen is None else Path(chosen)

    @property
    def max_minutes(self) -> float | None:
        """The time limit, None where the recipe says how long."""
        return self.minutes.value() or None

    def offers(self, source: Path | None) -> bool:
        """Whether a run can be started from."""
        return self.source.findData(_data(source)) >= 0

    def offer_sources(self, runs: Iterable[RunSummary]) -> None:
        """List the pretraining runs to start from, and choose none; nobody is told of it."""
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItem(_FROM_SCRATCH, None)
        for run in runs:
            if is_pretraining(run.method) and run.has_checkpoint:
                about = f"{method(run.method).short}, {run.update} updates"
                self.source.addItem(f"{run.name} ({about})", str(run.folder))
        self.source.blockSignals(False)

    def choose_source(self, source: Path | None, *, silently: bool = False) -> None:
        """Choose the run to start from, where it is offered."""
        self.source.blockSignals(silently)
        self.source.setCurrentIndex(max(0, self.source.findData(_data(source))))
        self.source.blockSignals(False)

    def tell(self, text: str) -> None:
        """Say what would be trained on, or how it is."""
        self.about.setText(text)

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Say what is wrong with what is asked for."""
        self.about.setText(problem_html(problems))

    def copy_text(self, text: str) -> None:
        """Put a text on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(text)

    def _lay_out(self) -> None:
        rows = self._rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Stage", self.stage)
        rows.addRow("Method", self.method)
        rows.addRow("Start from", self.source)
        rows.addRow("Run name", self.name)
        rows.addRow("Time", self.minutes)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(rows)
        self._column = QVBoxLayout()
        column.addLayout(self._column)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(inside)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start)
        buttons.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(self.about)
        layout.addLayout(buttons)
        layout.addWidget(self.curves)

    def _show_stage(self) -> None:
        self._rows.setRowVisible(self.source, not self.pretrains)
        self._rows.setRowVisible(self.method, self.pretrains)
        self.method.setToolTip(self.method.currentData(Qt.ItemDataRole.ToolTipRole))
        shown = self.form
        for form in self._forms.values():
            form.setVisible(form is shown)
        self.source_changed.emit()


def _method_box() -> QComboBox:
    box = QComboBox()
    for each in methods():
        box.addItem(each.title, each.name)
        tip = f"<p>{each.learns}</p>"  # rich text wraps
        box.setItemData(box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
    return box


def _minutes_box() -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0, 100_000)
    box.setDecimals(1)
    box.setSuffix(" min")
    box.setSpecialValueText("as the recipe says")
    box.setToolTip("The training ends within this time; the number of updates is planned while it runs")
    return box


def _data(source: Path | None) -> str | None:
    return None if source is None else str(source)
