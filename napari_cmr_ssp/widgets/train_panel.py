"""Settings of a training, and its start."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.errors import CmrSspError, RecipeError
from cmr_ssp.recipes import Recipe, load_recipe, matching_preset
from cmr_ssp.subjects import Role, Split
from cmr_ssp.subjects.split_file import read_split, write_split
from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.curves import Curves
from napari_cmr_ssp.widgets.recipe_form import RecipeForm
from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.work import TrainingPlan, new_run_folder

if TYPE_CHECKING:
    from cmr_ssp.runs import RunSummary

_PRETRAIN, _FINETUNE = "Pretrain on all slices, without labels (MIM)", "Train on the ticked labels"
_NAME = re.compile(r"\w[\w.-]{0,99}")
_FROM_SCRATCH = "nothing: from scratch"


class TrainPanel(QWidget):
    """Pretraining and fine-tuning. Emits `start_asked` with a `TrainingPlan`."""

    start_asked = Signal(object)

    def __init__(self, session: Session, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._runs, self._device = session, preferences.runs, preferences.device
        self._promised: set[Path] = set()
        self._name_is_typed = False
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
        self.minutes.setToolTip("Fit the number of updates to this time, from the measured speed")
        self.forms = {"mim": RecipeForm(("mim",)), "labels": RecipeForm(("scratch", "finetune"))}
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.start = QPushButton("Start")
        self.copy = QPushButton("Copy command")
        self.copy.setToolTip("The same on the command line")
        self.curves = Curves()
        self._lay_out()
        self.stage.currentIndexChanged.connect(self._show_stage)
        self.source.currentIndexChanged.connect(self._follow_source)
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
        return self.forms["mim" if self.pretrains else "labels"]

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
            if run.method == "mim" and run.has_checkpoint:
                self.source.addItem(f"{run.name} ({run.update} updates)", str(run.folder))
        self.source.setCurrentIndex(max(0, self.source.findData(chosen)))
        self.source.blockSignals(False)
        if self.source.currentData() != chosen:
            self._follow_source()
        self._offer_name()

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
        name = self.name.text().strip()
        if not _NAME.fullmatch(name):
            remedy = "Give a name of letters, digits, '-', '_' and '.'."
            raise CmrSspError.of("run", f"'{name}' is no name for a folder", remedy)
        if (self._runs / name).exists() or self._runs / name in self._promised:
            raise CmrSspError.of("run", f"'{name}' is taken", "Choose another name, or resume it under Runs.")
        return TrainingPlan(
            cohort=self._session.cohort,
            split=self._session.split,
            recipe=self.form.value(),
            run_folder=self._runs / name,
            ticks=self._session.ticks,
            pretrained=self._pretrained,
            max_minutes=self.minutes.value() or None,
        )

    def command_line(self) -> str:
        """Return the same as a command; the split is written beside the runs, for the command to read."""
        plan = self.plan()
        split = plan.run_folder.with_name(f"{plan.run_folder.name}-split.yaml")
        write_split(split, plan.split)
        words = ["cmr-ssp", "pretrain" if self.pretrains else "finetune", str(plan.cohort.root)]
        words += ["--run", str(plan.run_folder), "--split", str(split), *self.form.command_line_settings()]
        if plan.pretrained is not None:
            words += ["--from", str(plan.pretrained)]
        if not self.pretrains:
            ticked = (f"{name}:{'+'.join(sorted(phases))}" for name, phases in plan.ticks.items())
            words += ["--subjects", ",".join(ticked)]
        if plan.max_minutes is not None:
            words += ["--max-minutes", f"{plan.max_minutes:g}"]
        if self._device != "auto":
            words += ["--device", self._device]
        return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)

    def _lay_out(self) -> None:
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Stage", self.stage)
        rows.addRow("Start from", self.source)
        rows.addRow("Run name", self.name)
        rows.addRow("Time", self.minutes)
        self._rows = rows
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(rows)
        for form in self.forms.values():
            column.addWidget(form)
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
        for form in self.forms.values():
            form.setVisible(form is self.form)
        self._follow_source()

    def _follow_source(self) -> None:
        """Fit recipe and run name to where training starts from."""
        source = self._pretrained
        method = "mim" if self.pretrains else "scratch" if source is None else "finetune"
        try:
            self.form.set_value(self._fitting(method, source))
        except CmrSspError as error:
            self.about.setText(problem_html(error.problems))
            return
        self._inherit_split(source)
        self._name_is_typed = False
        self._offer_name()
        self._show_about()

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
            source, promised = self._pretrained, self._promised
            method = "mim" if self.pretrains else "scratch" if source is None else "finetune"
            self.name.setText(new_run_folder(self._runs, method, promised).name)

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
