"""Controller of the Train panel: plans and starts training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.errors import CmrSspError
from cmr_ssp.recipes import PretrainRecipe, SegmentationRecipe
from cmr_ssp.runs import Run, RunSummary
from cmr_ssp.subjects import Role, Split

from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.jobs.plans import FinetuningPlan, PretrainingPlan, TrainingPlan
from napari_cmr_ssp.jobs.run_folders import RUN_NAME
from napari_cmr_ssp.jobs.work import (
    new_run_folder,
    training_job,
)
from napari_cmr_ssp.panels.train.command import command_line
from napari_cmr_ssp.panels.train.fitting import fitted_recipe

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.train.view import TrainView


class TrainController:
    """Adapts recipe, split and run name to the selected stage and source, and queues training."""

    title: ClassVar[str] = "Train"
    area: ClassVar[Area] = Area.TAB

    def __init__(self, context: Context, view: TrainView) -> None:
        self.view = view
        self._session, self._desk = context.session, context.desk
        self._preferences = context.preferences
        self._reserved: set[Path] = set()
        self._moved: dict[Path | None, Path] = {}
        self._name_is_edited = False
        self._is_fitted = True
        self._source_is_chosen = False
        self._just_ended: Path | None = None
        view.source_changed.connect(self._fit_to_source)
        view.source_chosen.connect(self._on_source_chosen)
        view.name_edited.connect(self._on_name_edited)
        view.form_changed.connect(self._retry_fit)
        view.start_requested.connect(self.start)
        view.copy_requested.connect(self.copy_command)
        events = context.session.events
        for event in (events.cohort, events.split, events.ticks):
            event.connect(self._show_summary)
        events.runs.connect(self.set_sources)
        context.desk.run_event.connect(view.curves.add_event)
        context.desk.run_queued.connect(self.reserve)
        context.desk.run_ended.connect(self.release)
        context.desk.run_moved.connect(self._on_moved)
        self._fit_to_source()

    @classmethod
    def make(cls, context: Context) -> Self:
        """Create the panel view and its controller."""
        from napari_cmr_ssp.panels.train.view import TrainView

        return cls(context, TrainView())

    def plan(self) -> TrainingPlan:
        """Return the training that the panel describes.

        Raises
        ------
        CmrSspError
            If settings are invalid or something is missing.
        """
        view, session = self.view, self._session
        if session.cohort is None:
            raise CmrSspError.of("cohort", "none is open", "Open one under Data.")
        if not view.pretrains and not session.ticks:
            raise CmrSspError.of(
                "labels", "none is ticked", "Tick labelled phases, or draw some, under Data."
            )
        if not self._is_fitted:
            self._fit()
        if view.pretrains:
            return PretrainingPlan(
                cohort=session.cohort,
                split=session.split,
                recipe=view.form.value(PretrainRecipe),
                run_folder=self._new_folder(),
                max_minutes=view.max_minutes,
            )
        return FinetuningPlan(
            cohort=session.cohort,
            split=session.split,
            recipe=view.form.value(SegmentationRecipe),
            run_folder=self._new_folder(),
            max_minutes=view.max_minutes,
            ticks=session.ticks,
            pretrained=view.pretrained,
        )

    def start(self) -> None:
        """Queue the planned training, or show what is wrong with it."""
        try:
            plan = self.plan()
        except CmrSspError as error:
            self.view.show_problems(error.problems)
            return
        self._name_is_edited = False
        self._show_summary()
        self._desk.compute(training_job(plan, self._preferences.now))

    def command_line(self) -> str:
        """Return the command for the planned training, and write its split to a file beside the run."""
        plan = self.plan()
        settings, device = self.view.form.command_line_settings(), self._preferences.now.device
        return command_line(plan, settings, device)

    def copy_command(self) -> None:
        """Copy the command for the planned training to the clipboard."""
        try:
            command = self.command_line()
        except CmrSspError as error:
            self.view.show_problems(error.problems)
            return
        self.view.copy_text(command)
        self.view.show_text("Copied.")

    def set_sources(self, runs: tuple[RunSummary, ...]) -> None:
        """List the pretraining runs to start from, and suggest a name for the next run.

        The user's selection is kept; otherwise a pretraining that has just ended is selected.
        """
        selected = self.view.selected_source
        before = self._moved.get(selected, selected)  # if it was renamed
        self._moved.clear()
        self.view.set_sources(runs)
        ended, self._just_ended = self._just_ended, None
        follows = ended is not None and not self._source_is_chosen and self.view.has_source(ended)
        self.view.choose_source(ended if follows else before, silently=True)
        if self.view.selected_source != before and not self.view.pretrains:
            self._try_fit()
        self._suggest_name()

    def reserve(self, folder: Path) -> None:
        """Reserve the folder of a queued job, which creates it only when it starts."""
        self._reserved.add(folder)
        self._suggest_name()

    def release(self, folder: Path) -> None:
        """Release the folder that was reserved for a job that has ended."""
        self._reserved.discard(folder)
        self._just_ended = folder
        self._suggest_name()

    def _on_moved(self, old: Path, new: Path) -> None:
        self._moved[old] = new

    def _new_folder(self) -> Path:
        """Return the folder of the run name, if a run can be created there."""
        name, runs = self.view.name.text().strip(), self._preferences.now.runs
        if not RUN_NAME.fullmatch(name):
            remedy = "Use letters, digits, '-', '_' and '.'."
            raise CmrSspError.of("run", f"'{name}' is not a valid folder name", remedy)
        if (runs / name).exists() or runs / name in self._reserved:
            remedy = "Choose another name, or resume it under Runs."
            raise CmrSspError.of("run", f"'{name}' already exists", remedy)
        return runs / name

    def _suggest_name(self) -> None:
        if not self._name_is_edited:
            folder = new_run_folder(self._preferences.now.runs, self.view.recipe_method, self._reserved)
            self.view.name.setText(folder.name)

    def _on_name_edited(self) -> None:
        self._name_is_edited = True

    def _on_source_chosen(self) -> None:
        self._source_is_chosen = True

    def _retry_fit(self) -> None:
        """Fit the recipe again after the settings that prevented it were corrected."""
        if not self._is_fitted and not self.view.form.problems:
            self._fit_to_source()

    def _fit_to_source(self) -> None:
        """Adapt recipe and run name to the run that training starts from."""
        self._name_is_edited = False
        self._suggest_name()
        self._try_fit()

    def _try_fit(self) -> None:
        try:
            self._fit()
        except CmrSspError as error:
            self.view.show_problems(error.problems)
            return
        self._show_summary()

    def _fit(self) -> None:
        """Adapt recipe and split to the run that training starts from; retry later if this fails."""
        self._is_fitted = True  # showing the recipe emits a change
        view = self.view
        if view.pretrains:
            return
        try:
            view.form.set_value(fitted_recipe(view.form.value(), view.recipe_method, view.pretrained))
            self._inherit_split(view.pretrained)
        except CmrSspError:
            self._is_fitted = False
            raise

    def _inherit_split(self, source: Path | None) -> None:
        """Use the split of the pretraining, so that its test subjects are not used for training."""
        if source is None:
            return
        inherited, session = Run(source).split().roles, self._session
        roles = {s.id: inherited.get(s.id, session.split.role(s.id)) for s in session.subjects}
        if roles.keys() & inherited.keys():
            session.use_split(Split({name: role for name, role in roles.items() if role is not None}))

    def _show_summary(self) -> None:
        split, ticks = self._session.split, self._session.ticks
        if self._session.cohort is None:
            self.view.show_text("Open a cohort under Data first.")
        elif self.view.pretrains:
            n = len(split.ids(Role.TRAIN))
            self.view.show_text(f"All frames and slices of {n} training subjects, no test subjects.")
        else:
            n_volumes = sum(len(phases) for phases in ticks.values())
            self.view.show_text(
                f"{n_volumes} labelled volumes of {len(ticks)} subjects are ticked under Data."
            )
