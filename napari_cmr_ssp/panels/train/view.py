"""Panel view of the Train panel: stage, method, source, name, time, recipe and curves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.errors import Problem
from cmr_ssp.recipes import is_pretraining, method, method_problems, methods
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
from napari_cmr_ssp.widgets.start_button import StartButton
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

_PRETRAIN, _FINETUNE = "Pretrain on all slices, without labels", "Train on the ticked labels"
_FROM_SCRATCH = "nothing: from scratch"
_TRAINING = ("scratch", "finetune")


class TrainView(QWidget):
    """Settings of a pretraining or fine-tuning.

    Every method has its own form, created when the method is first selected, so that methods keep their
    settings separately.

    Signals: `source_changed` when stage, method or source change, `source_chosen` when the user selects the
    source, `name_edited`, `form_changed`, `start_requested` and `copy_requested`.
    """

    source_changed = Signal()
    source_chosen = Signal()
    name_edited = Signal()
    form_changed = Signal()
    start_requested = Signal()
    copy_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method = _method_box()
        self.method_problems = ToneLabel(problem_html(method_problems()))
        self.stage = QComboBox()
        self.stage.addItems([_PRETRAIN, _FINETUNE])
        self.stage.setToolTip("What to learn from: all slices without labels, or the ticked labels")
        self.source = QComboBox()
        self.source.setToolTip("Pretraining run whose weights training starts from")
        self.source.addItem(_FROM_SCRATCH, None)
        self.name = QLineEdit()
        self.minutes = _minutes_box()
        self._forms: dict[tuple[str, ...], RecipeForm] = {}
        self.about = ToneLabel()
        self.start = StartButton("Start")
        self.start.setToolTip("Train in the background, after the jobs that are running or waiting")
        self.copy = QPushButton("Copy command")
        self.copy.setToolTip("Copy the same training as a command line")
        self.curves = Curves()
        self._lay_out()
        self.stage.currentIndexChanged.connect(lambda _: self._show_stage())
        self.method.currentIndexChanged.connect(lambda _: self._show_stage())
        self.source.currentIndexChanged.connect(lambda _: self.source_changed.emit())
        self.source.activated.connect(lambda _: self.source_chosen.emit())
        self.name.textEdited.connect(lambda _: self.name_edited.emit())
        self.start.clicked.connect(lambda _: self.start_requested.emit())
        self.copy.clicked.connect(lambda _: self.copy_requested.emit())
        self._show_stage()

    @property
    def pretrains(self) -> bool:
        """Whether the pretraining stage is selected."""
        return self.stage.currentText() == _PRETRAIN

    @property
    def form(self) -> RecipeForm:
        """The form of the selected stage and method."""
        methods = (str(self.method.currentData()),) if self.pretrains else _TRAINING
        if methods not in self._forms:
            form = self._forms[methods] = RecipeForm(methods)
            form.changed.connect(self.form_changed.emit)
            self._column.addWidget(form)
        return self._forms[methods]

    @property
    def recipe_method(self) -> str:
        """The method of the recipe."""
        if self.pretrains:
            return str(self.method.currentData())
        return "scratch" if self.pretrained is None else "finetune"

    @property
    def pretrained(self) -> Path | None:
        """The run that training starts from."""
        return None if self.pretrains else self.selected_source

    @property
    def selected_source(self) -> Path | None:
        """The run selected in the list of sources, for either stage."""
        chosen = self.source.currentData()
        return None if chosen is None else Path(chosen)

    @property
    def max_minutes(self) -> float | None:
        """The time limit; None to train as long as the recipe says."""
        return self.minutes.value() or None

    def has_source(self, source: Path | None) -> bool:
        """Return whether a run is in the list of sources."""
        return self.source.findData(_data(source)) >= 0

    def set_sources(self, runs: Iterable[RunSummary]) -> None:
        """List the pretraining runs to start from and select none, without signals."""
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItem(_FROM_SCRATCH, None)
        for run in runs:
            if is_pretraining(run.method) and run.has_checkpoint:
                about = f"{method(run.method).short}, {run.update} updates"
                self.source.addItem(f"{run.name} ({about})", str(run.folder))
        self.source.blockSignals(False)

    def choose_source(self, source: Path | None, *, silently: bool = False) -> None:
        """Select the run to start from, if it is listed."""
        self.source.blockSignals(silently)
        self.source.setCurrentIndex(max(0, self.source.findData(_data(source))))
        self.source.blockSignals(False)

    def show_text(self, text: str) -> None:
        """Show what training uses, or a message."""
        self.about.setText(text)

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Show problems of the planned training."""
        self.about.setText(problem_html(problems))

    def copy_text(self, text: str) -> None:
        """Copy a text to the clipboard."""
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(text)

    def _lay_out(self) -> None:
        rows = self._rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Stage", self.stage)
        rows.addRow("Method", self.method)
        rows.addRow("", self.method_problems)
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
        self._rows.setRowVisible(self.method_problems, self.pretrains and bool(method_problems()))
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
    box.setSpecialValueText("as in the recipe")
    box.setToolTip("Time limit; the number of updates is adapted to it during training")
    return box


def _data(source: Path | None) -> str | None:
    return None if source is None else str(source)
