"""What the Function panel computes in the background: segments of the wall, and intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from cmr_ssp.errors import ScoreError
from cmr_ssp.function.comparing import Conditions, Quantity
from cmr_ssp.function.intervals import Calibration, calibrate, lv_intervals
from cmr_ssp.function.segments import Orientation
from cmr_ssp.function.wall_summary import WallSummary, wall_summary
from cmr_ssp.runs import Run, stored_function

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.jobs.job import Job

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.function.view import FunctionView


class FunctionDetails:
    """Computes segments while their section is open, and intervals of unedited segmentations.

    Parameters
    ----------
    context : Context
        Session, measuring and desk.
    view : FunctionView
        Shows the results.
    """

    def __init__(self, context: Context, view: FunctionView) -> None:
        self._view, self._session, self._desk = view, context.session, context.desk
        self._measuring, self._preferences, self._scene = (
            context.measuring,
            context.preferences,
            context.scene,
        )
        self._is_measuring = self._is_outdated = False
        self._calibrated: Any = None
        self._calibrations: Mapping[Quantity, Calibration] = {}
        self.walls = WallSummary()
        context.measuring.changed.connect(self._take_change)
        view.walls_wanted.connect(self._measure_walls)
        view.segment_opened.connect(self.go_to_segment)

    @property
    def intervals(self) -> tuple[str, ...]:
        """How sure EDV, ESV and EF of an unedited segmentation are, in a sentence each."""
        function, exam = self._measuring.function, self._session.exam
        if function is None or exam is None:
            return ()
        conditions = Conditions.of(exam.stack, exam.subject.vendor)
        rate = self._measuring.choices.heart_rate_bpm
        conditions = replace(conditions, heart_rate_bpm=rate) if rate is not None else conditions
        return lv_intervals(function, self._calibrations, conditions)

    def go_to_segment(self, segment: int) -> None:
        """Show the middle one of the slices in which a segment was measured, at ED."""
        found = next((each for each in self.walls.thickness if each.segment == segment), None)
        if found is not None and found.slices and found.frame is not None:
            self._scene.go_to(found.frame, found.slices[len(found.slices) // 2])

    def _take_change(self) -> None:
        layer = self._measuring.layer
        if layer is not self._calibrated:
            self._calibrated, self._calibrations = layer, {}
            self._is_measuring = False  # that of another layer does not count
            self._calibrate(layer)
        self._view.show_intervals(self.intervals)
        self._is_outdated = True
        if self._view.shows_walls:
            self._measure_walls()

    def _measure_walls(self) -> None:
        """Measure the wall, one job at a time; edits meanwhile are measured after it."""
        exam, layer, phases = self._session.exam, self._measuring.layer, dict(self._session.phases)
        if exam is None or layer is None or self._measuring.measures is None:
            self._show_walls(WallSummary())
            return
        if self._is_measuring:
            return
        self._is_measuring, self._is_outdated = True, False
        labels = {frame: np.array(layer.data[frame]) for frame in phases.values()}
        orientation, insertions = self._view.wall_choices
        orientation = orientation or Orientation.of(exam.stack.grid)

        def work(*_: object) -> WallSummary:
            places = {phase: number for number, phase in enumerate(phases)}
            if not phases:
                return WallSummary(reason="The frames of ED and ES are not known. Choose them.")
            stack = np.stack([labels[frame] for frame in phases.values()])
            found = wall_summary(stack, exam.stack.spacing_mm, places, orientation, insertions)
            frames = dict(zip(places.values(), phases.values(), strict=True))
            return replace(
                found,
                thickness=tuple(replace(each, frame=frames[each.frame]) for each in found.thickness),
                thickening=tuple(replace(each, frame=frames[each.frame]) for each in found.thickening),
            )

        def take(found: WallSummary) -> None:
            if layer is not self._calibrated:
                return
            self._is_measuring = False
            if self._is_outdated:
                self._measure_walls()
            else:
                self._show_walls(found)

        self._desk.read(Job("Measure the wall", work, is_silent=True), take)

    def _show_walls(self, found: WallSummary) -> None:
        self.walls = found
        self._view.show_walls(found)

    def _calibrate(self, layer: Any) -> None:
        """Read what the run of an unedited segmentation measured on subjects that it has not seen."""
        run = layer.metadata.get("run") if layer is not None else None
        corrected = self._scene.corrections.of(self._session.exam) if self._session.exam else None
        if not run or (corrected is not None and corrected.layer is layer):
            return
        folder = self._preferences.now.runs / str(run)

        def work(*_: object) -> Mapping[Quantity, Calibration]:
            try:
                return calibrate(stored_function(Run(folder)))[0]
            except ScoreError:  # a damaged table gives no interval; scoring the run names it
                return {}

        def take(found: Mapping[Quantity, Calibration]) -> None:
            if layer is self._calibrated:
                self._calibrations = found
                self._view.show_intervals(self.intervals)

        self._desk.read(Job("Read how sure the run is", work, is_silent=True), take)
