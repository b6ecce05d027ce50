"""Controller of the Function panel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.atomic import write_text
from cmr_ssp.function import (
    CardiacFunction,
    CountedSlice,
    Flag,
    FunctionChoices,
    PapillarySide,
    SliceChoice,
    function_csv,
)
from cmr_ssp.function.wall_summary import WallSummary

from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.panels.function.details import FunctionDetails
from napari_cmr_ssp.panels.function.reporting import report_job

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.function.view import FunctionView

_OTHER = {PapillarySide.CAVITY: PapillarySide.WALL, PapillarySide.WALL: PapillarySide.CAVITY}


class FunctionController:
    """Shows volumes, ejection fraction and mass of the shown exam, and writes report and table."""

    title: ClassVar[str] = "Function"
    area: ClassVar[Area] = Area.TAB

    def __init__(self, context: Context, view: FunctionView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._measuring, self._preferences = context.measuring, context.preferences
        context.measuring.changed.connect(self._show)
        context.scene.corrections.layers_changed.connect(self._show_measured)
        view.choices_changed.connect(self._measuring.choose)
        view.slice_ticked.connect(self.count_slice)
        view.slice_opened.connect(self.go_to_slice)
        view.report_requested.connect(self._ask_for_report)
        view.table_requested.connect(self._ask_for_table)
        view.flag_opened.connect(self.go_to_flag)
        view.choices.show_choices(self._measuring.choices)
        self._details = FunctionDetails(context, view)

    @classmethod
    def make(cls, context: Context) -> Self:
        """Make the view and its controller."""
        from napari_cmr_ssp.panels.function.view import FunctionView

        return cls(context, FunctionView())

    @property
    def function(self) -> CardiacFunction | None:
        """What is shown."""
        return self._measuring.function

    @property
    def walls(self) -> WallSummary:
        """Segments of the wall, as far as they were asked for."""
        return self._details.walls

    def count_slice(self, choice: SliceChoice, counts: bool) -> None:
        """Count a slice or leave it out, whatever the rule says."""
        choices = self._measuring.choices
        self._measuring.choose(replace(choices, counted={**choices.counted, choice: counts}))

    def go_to_slice(self, each: CountedSlice) -> None:
        """Show a slice of the table."""
        found = self.function
        ventricle = found and (found.rv if each.structure.name == "RV" else found.lv)
        if ventricle:
            self._scene.go_to(ventricle.phases[each.phase], each.slice)

    def go_to_flag(self, flag: Flag) -> None:
        """Show what a flag points at; the frame or slice stays if it concerns all of them."""
        frame = self._scene.frame if flag.frame is None else flag.frame
        self._scene.go_to(frame, self._scene.slice if flag.slice_index is None else flag.slice_index)

    def save_table(self, path: Path) -> None:
        """Save the quantities as CSV."""
        found = self.function
        if found is not None:
            text = function_csv(found)
            job = Job(f"Save {path.name}", lambda *_: write_text(path, text))
            self._desk.read(job, lambda _: self.view.show_saved(path))

    def save_report(self, path: Path) -> None:
        """Save the page, from the contours as they are now."""
        exam, layer, measures = self._session.exam, self._measuring.layer, self._measuring.measures
        found = self.function
        if exam is not None and layer is not None and measures is not None and found is not None:
            choices = replace(self._measuring.choices, phases=self._session.phases)
            shown = self._scene.corrections.of(exam)
            states = shown.contours.states if shown is not None and shown.layer is layer else None
            job = report_job(path, exam, layer, (found, choices, measures), states, self._details.intervals)
            self._desk.read(job, lambda _: self.view.show_saved(path))

    def _show(self) -> None:
        choices: FunctionChoices = self._measuring.choices
        found = self._measuring.function
        other = None
        if found is not None and found.papillary_ml is not None:
            other = self._measuring.function_with(
                replace(choices, papillary_side=_OTHER[found.papillary_side])
            )
        self.view.choices.show_choices(choices)
        self.view.show_function(found, other)
        self._show_measured()
        self.view.show_flags(self._measuring.flags, self._session.phases)

    def _show_measured(self) -> None:
        if (layer := self._measuring.layer) is not None:
            self.view.show_measured(layer.name, self._scene.corrections.over(layer))

    def _ask_for_report(self) -> None:
        path = self.view.ask_for_report(self._proposed("report.pdf"))
        if path is not None:
            self.save_report(path)

    def _ask_for_table(self) -> None:
        path = self.view.ask_for_table(self._proposed("function.csv"))
        if path is not None:
            self.save_table(path)

    def _proposed(self, ending: str) -> Path:
        exam = self._session.exam
        name = exam.subject.id if exam is not None else "exam"
        return self._preferences.now.workspace / f"{name}_{ending}"
