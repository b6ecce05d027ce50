"""Settings of a training, and its start."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.errors import CmrSspError, RecipeError
from cmr_ssp.recipes import Recipe, is_pretraining, load_recipe, matching_preset, method, methods
from cmr_ssp.subjects import Role, Split
from cmr_ssp.subjects.split_file import read_split
from qtpy.QtCore import Qt, Signal
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

from napari_cmr_ssp.jobs.work import TrainingPlan, new_run_folder
from napari_cmr_ssp.panels.train.command import command_line
from napari_cmr_ssp.panels.train.curves import Curves
from napari_cmr_ssp.panels.train.recipe_form import RecipeForm
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

if TYPE_CHECKING:
    from cmr_ssp.runs import RunSummary

_PRETRAIN, _FINETUNE = "Pretrain on all slices, without labels", "Train on the ticked labels"
_NAME = re.compile(r"\w[\w.-]{0,99}")
_FROM_SCRATCH = "nothing: from scratch"
_TRAINING = ("scratch", "finetune")


class TrainPanel(QWidget):
    """Pretraining and fine-tuning. Emits `start_asked` with a `TrainingPlan`.

    Every method has a form of its own, made when it is first looked at: what was set for one method is there
    when it is come back to, and nothing of it is in the recipe of another.

    Parameters
    ----------
    session : Session
        Gives cohort, split and ticks.
    preferences : callable
        Returns the preferences as they are now.
    parent : QWidget, optional
        Of the panel.
    """

    start_asked = Signal(object)

    def __init__(
        self, session: Session, preferences: Callable[[], Preferences], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._preferences = session, preferences
        self._promised: set[Path] = set()
        self._name_is_typed = False
        self._follows_source = True
        self._source_is_chosen = False
        self._just_ended: Path | None = None
        self.method = QComboBox()
        for known in methods():
            self.method.addItem(known.title, known.name)
            tip = f"<p>{known.learns}</p>"  # rich text wraps
            self.method.setItemData(self.method.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.stage = QComboBox()
        self.stage.addItems([_PRETRAIN, _FINETUNE])
        self.source = QComboBox()
        self.source.setToolTip("The pretraining run whose weights training starts from")
        self.name = QLineEdit()
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0, 100_000)
        self.minutes.setDecimals(1)
        self.minutes.setSuffix(" min")
        self.minutes.setSpecialValueText("as the recipe says")
        self.minutes.setToolTip(
            "The training ends within this time; the number of updates is planned while it runs"
        )
        self._forms: dict[tuple[str, ...], RecipeForm] = {}
        self.about = ToneLabel()
        self.start = QPushButton("Start")
        self.copy = QPushButton("Copy command")
        self.copy.setToolTip("The same on the command line")
        self.curves = Curves()
        self._lay_out()
        self.stage.currentIndexChanged.connect(self._show_stage)
        self.method.currentIndexChanged.connect(self._show_stage)
        self.source.currentIndexChanged.connect(self._follow_source)
        self.source.activated.connect(self._keep_source)
        self.name.textEdited.connect(self._keep_name)
        self.start.clicked.connect(self._start)
        self.copy.clicked.connect(self._copy)
        for event in (session.events.cohort, session.events.split, session.events.ticks):
            event.connect(self._show_about)
        self.show_runs(())
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
            form.changed.connect(self._follow_again)
            self._column.addWidget(form)
        return self._forms[methods]

    @property
    def _method(self) -> str:
        """The method of the recipe that is asked for."""
        if self.pretrains:
            return str(self.method.currentData())
        return "scratch" if self._pretrained is None else "finetune"

    @property
    def _runs(self) -> Path:
        """Where new runs go."""
        return self._preferences().runs

    @property
    def _pretrained(self) -> Path | None:
        """The run that training starts from."""
        chosen = None if self.pretrains else self.source.currentData()
        return None if chosen is None else Path(chosen)

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """Offer pretraining runs to start from, and a free name for the next run."""
        chosen = self.source.currentData()
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItem(_FROM_SCRATCH, None)
        for run in runs:
            if is_pretraining(run.method) and run.has_checkpoint:
                about = f"{method(run.method).short}, {run.update} updates"
                self.source.addItem(f"{run.name} ({about})", str(run.folder))
        self.source.setCurrentIndex(max(0, self.source.findData(self._offered(chosen))))
        self.source.blockSignals(False)
        if self.source.currentData() != chosen and not self.pretrains:
            self._fit_or_tell()
        self._offer_name()

    def _offered(self, chosen: str | None) -> str | None:
        """Return the run to start from: the user's choice, or the pretraining that just ended."""
        ended, self._just_ended = self._just_ended, None
        if self._source_is_chosen or ended is None or self.source.findData(str(ended)) < 0:
            return chosen
        return str(ended)

    def _keep_source(self) -> None:
        self._source_is_chosen = True

    def choose_pretraining(self, folder: Path) -> None:
        """Start the next fine-tuning from this run."""
        self.source.setCurrentIndex(max(0, self.source.findData(str(folder))))

    def plan(self) -> TrainingPlan:
        """Return what is asked for.

        Raises
        ------
        CmrSspError
            Where settings are wrong or something is missing.
        """
        if self._session.cohort is None:
            raise CmrSspError.of("cohort", "none is open", "Open one under Data.")
        if not self.pretrains and not self._session.ticks:
            raise CmrSspError.of(
                "labels", "none is ticked", "Tick labelled phases, or draw some, under Data."
            )
        if not self._follows_source:
            self._fit()
        name, runs = self.name.text().strip(), self._runs
        if not _NAME.fullmatch(name):
            remedy = "Give a name of letters, digits, '-', '_' and '.'."
            raise CmrSspError.of("run", f"'{name}' is no name for a folder", remedy)
        if (runs / name).exists() or runs / name in self._promised:
            raise CmrSspError.of("run", f"'{name}' is taken", "Choose another name, or resume it under Runs.")
        return TrainingPlan(
            cohort=self._session.cohort,
            split=self._session.split,
            recipe=self.form.value(),
            run_folder=runs / name,
            ticks=self._session.ticks,
            pretrained=self._pretrained,
            max_minutes=self.minutes.value() or None,
        )

    def command_line(self) -> str:
        """Return the same as a command; the split is written beside the runs, for the command to read."""
        plan = self.plan()
        settings, device = self.form.command_line_settings(), self._preferences().device
        return command_line(plan, settings, device, pretrains=self.pretrains)

    def _lay_out(self) -> None:
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Stage", self.stage)
        rows.addRow("Method", self.method)
        rows.addRow("Start from", self.source)
        rows.addRow("Run name", self.name)
        rows.addRow("Time", self.minutes)
        self._rows = rows
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
        self._follow_source()

    def _follow_again(self) -> None:
        """Fit the recipe once what kept it from being fitted is corrected."""
        if not self._follows_source and not self.form.problems:
            self._follow_source()

    def _follow_source(self) -> None:
        """Fit recipe and run name to where training starts from."""
        self._name_is_typed = False
        self._offer_name()
        self._fit_or_tell()

    def _fit_or_tell(self) -> None:
        try:
            self._fit()
        except CmrSspError as error:
            self.about.setText(problem_html(error.problems))
            return
        self._show_about()

    def _fit(self) -> None:
        """Fit recipe and split to where training starts from; what cannot be now is tried again later."""
        self._follows_source = True  # showing the recipe tells of a change
        if self.pretrains:
            return
        try:
            self.form.set_value(self._fitting(self._method, self._pretrained))
            self._inherit_split(self._pretrained)
        except CmrSspError:
            self._follows_source = False
            raise

    def _inherit_split(self, source: Path | None) -> None:
        """Take the split of the pretraining, so that its test subjects stay unseen by what starts from it."""
        if source is None:
            return
        inherited = read_split(source / "split.yaml").roles
        roles = {s.id: inherited.get(s.id, self._session.split.role(s.id)) for s in self._session.subjects}
        if roles.keys() & inherited.keys():
            self._session.use_split(Split({name: role for name, role in roles.items() if role is not None}))

    def _offer_name(self) -> None:
        if not self._name_is_typed:
            self.name.setText(new_run_folder(self._runs, self._method, self._promised).name)

    def _keep_name(self) -> None:
        self._name_is_typed = True

    def _fitting(self, method: str, source: Path | None) -> Recipe:
        """Return the form's recipe for a method, or the preset that goes on from a pretrained network."""
        recipe = self.form.value()
        if source is None:
            return recipe.model_copy(update={"method": method})
        pretrained = load_recipe(source / "recipe.yaml")
        same = {"network": pretrained.network, "crop": pretrained.crop}
        if (recipe.network, recipe.crop) != (pretrained.network, pretrained.crop):
            with suppress(RecipeError):  # where no preset is like it, the form's own settings go on from it
                return load_recipe(matching_preset(pretrained))
        return recipe.model_copy(update={"method": method, **same})

    def _show_about(self) -> None:
        split, ticks = self._session.split, self._session.ticks
        if self._session.cohort is None:
            self.about.setText("Open a cohort under Data first.")
        elif self.pretrains:
            n = len(split.ids(Role.TRAIN))
            self.about.setText(f"All frames and slices of {n} training subjects; test subjects stay unseen.")
        else:
            n_volumes = sum(len(phases) for phases in ticks.values())
            self.about.setText(
                f"{n_volumes} labelled volumes of {len(ticks)} subjects are ticked under Data."
            )

    def _start(self) -> None:
        try:
            plan = self.plan()
        except CmrSspError as error:
            self.about.setText(problem_html(error.problems))
            return
        self._promised.add(plan.run_folder)
        self._name_is_typed = False
        self._offer_name()
        self._show_about()
        self.start_asked.emit(plan)

    def release(self, folder: Path) -> None:
        """Take a name back that was promised to a job which has ended."""
        self._promised.discard(folder)
        self._just_ended = folder
        self._offer_name()

    def _copy(self) -> None:
        try:
            command = self.command_line()
        except CmrSspError as error:
            self.about.setText(problem_html(error.problems))
            return
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(command)
        self.about.setText("Copied.")
