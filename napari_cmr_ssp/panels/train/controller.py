"""Plans trainings, and starts them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.errors import CmrSspError
from cmr_ssp.runs import Run, RunSummary
from cmr_ssp.subjects import Role, Split

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.jobs.work import TrainingPlan, new_run_folder, training_job
from napari_cmr_ssp.panels.train.command import command_line
from napari_cmr_ssp.panels.train.fitting import fitted_recipe

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.train.view import TrainView

_NAME = re.compile(r"\w[\w.-]{0,99}")


class TrainController:
    """Fits recipe, split and run name to what is chosen, and queues trainings."""

    title: ClassVar[str] = "Train"

    def __init__(self, context: Context, view: TrainView) -> None:
        self.view = view
        self._session, self._desk = context.session, context.desk
        self._preferences = context.preferences
        self._promised: set[Path] = set()
        self._name_is_typed = False
        self._follows_source = True
        self._source_is_chosen = False
        self._just_ended: Path | None = None
        view.source_changed.connect(self._follow_source)
        view.source_chosen.connect(self._keep_source)
        view.name_typed.connect(self._keep_name)
        view.form_changed.connect(self._follow_again)
        view.start_asked.connect(self.start)
        view.copy_asked.connect(self.copy_command)
        events = context.session.events
        for event in (events.cohort, events.split, events.ticks):
            event.connect(self._show_about)
        events.runs.connect(self.offer_sources)
        context.desk.run_told.connect(view.curves.take)
        context.desk.run_ended.connect(self.release)
        self._follow_source()

    @classmethod
    def make(cls, context: Context) -> Self:
        """Make the view and its controller."""
        from napari_cmr_ssp.panels.train.view import TrainView

        return cls(context, TrainView())

    def plan(self) -> TrainingPlan:
        """Return what is asked for.

        Raises
        ------
        CmrSspError
            Where settings are wrong or something is missing.
        """
        view, session = self.view, self._session
        if session.cohort is None:
            raise CmrSspError.of("cohort", "none is open", "Open one under Data.")
        if not view.pretrains and not session.ticks:
            raise CmrSspError.of(
                "labels", "none is ticked", "Tick labelled phases, or draw some, under Data."
            )
        if not self._follows_source:
            self._fit()
        return TrainingPlan(
            cohort=session.cohort,
            split=session.split,
            recipe=view.form.value(),
            run_folder=self._new_folder(),
            ticks=session.ticks,
            pretrained=view.pretrained,
            max_minutes=view.max_minutes,
        )

    def start(self) -> None:
        """Queue the training that is asked for, or say what is wrong with it."""
        try:
            plan = self.plan()
        except CmrSspError as error:
            self.view.show_problems(error.problems)
            return
        self._promised.add(plan.run_folder)
        self._name_is_typed = False
        self._offer_name()
        self._show_about()
        self._desk.compute(training_job(plan, self._preferences.now, pretrains=self.view.pretrains))

    def command_line(self) -> str:
        """Return the same as a command; the split is written beside the runs, for the command to read."""
        plan = self.plan()
        settings, device = self.view.form.command_line_settings(), self._preferences.now.device
        return command_line(plan, settings, device, pretrains=self.view.pretrains)

    def copy_command(self) -> None:
        """Put the same as a command on the clipboard."""
        try:
            command = self.command_line()
        except CmrSspError as error:
            self.view.show_problems(error.problems)
            return
        self.view.copy_text(command)
        self.view.tell("Copied.")

    def offer_sources(self, runs: tuple[RunSummary, ...]) -> None:
        """Offer pretraining runs to start from, and a free name for the next run.

        The user's choice stays; without one, a pretraining that just ended is chosen.
        """
        before = self.view.listed_source
        self.view.offer_sources(runs)
        ended, self._just_ended = self._just_ended, None
        follows = ended is not None and not self._source_is_chosen and self.view.offers(ended)
        self.view.choose_source(ended if follows else before, silently=True)
        if self.view.listed_source != before and not self.view.pretrains:
            self._fit_or_tell()
        self._offer_name()

    def release(self, folder: Path) -> None:
        """Take a name back that was promised to a job which has ended."""
        self._promised.discard(folder)
        self._just_ended = folder
        self._offer_name()

    def _new_folder(self) -> Path:
        """Return the folder that is named, if a run can be made there."""
        name, runs = self.view.name.text().strip(), self._preferences.now.runs
        if not _NAME.fullmatch(name):
            remedy = "Give a name of letters, digits, '-', '_' and '.'."
            raise CmrSspError.of("run", f"'{name}' is no name for a folder", remedy)
        if (runs / name).exists() or runs / name in self._promised:
            raise CmrSspError.of("run", f"'{name}' is taken", "Choose another name, or resume it under Runs.")
        return runs / name

    def _offer_name(self) -> None:
        if not self._name_is_typed:
            folder = new_run_folder(self._preferences.now.runs, self.view.method_asked, self._promised)
            self.view.name.setText(folder.name)

    def _keep_name(self) -> None:
        self._name_is_typed = True

    def _keep_source(self) -> None:
        self._source_is_chosen = True

    def _follow_again(self) -> None:
        """Fit the recipe once what kept it from being fitted is corrected."""
        if not self._follows_source and not self.view.form.problems:
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
            self.view.show_problems(error.problems)
            return
        self._show_about()

    def _fit(self) -> None:
        """Fit recipe and split to where training starts from; what cannot be now is tried again later."""
        self._follows_source = True  # showing the recipe tells of a change
        view = self.view
        if view.pretrains:
            return
        try:
            view.form.set_value(fitted_recipe(view.form.value(), view.method_asked, view.pretrained))
            self._inherit_split(view.pretrained)
        except CmrSspError:
            self._follows_source = False
            raise

    def _inherit_split(self, source: Path | None) -> None:
        """Take the split of the pretraining, so that its test subjects stay unseen by what starts from it."""
        if source is None:
            return
        inherited, session = Run(source).split().roles, self._session
        roles = {s.id: inherited.get(s.id, session.split.role(s.id)) for s in session.subjects}
        if roles.keys() & inherited.keys():
            session.use_split(Split({name: role for name, role in roles.items() if role is not None}))

    def _show_about(self) -> None:
        split, ticks = self._session.split, self._session.ticks
        if self._session.cohort is None:
            self.view.tell("Open a cohort under Data first.")
        elif self.view.pretrains:
            n = len(split.ids(Role.TRAIN))
            self.view.tell(f"All frames and slices of {n} training subjects; test subjects stay unseen.")
        else:
            n_volumes = sum(len(phases) for phases in ticks.values())
            self.view.tell(f"{n_volumes} labelled volumes of {len(ticks)} subjects are ticked under Data.")
