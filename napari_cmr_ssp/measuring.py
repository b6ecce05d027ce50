"""Measures the shown segmentation, and follows every edit of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.contours import Place
from cmr_ssp.function import (
    CardiacFunction,
    Flag,
    FunctionChoices,
    Judged,
    Scan,
    SliceMeasures,
    cardiac_function,
    find_ed_es,
    find_flags,
)
from cmr_ssp.function.flag_text import in_order
from numpy.typing import NDArray
from psygnal import Signal

from napari_cmr_ssp.jobs.desk import JobDesk
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.exams import Exam
from napari_cmr_ssp.scene.scene import Scene
from napari_cmr_ssp.session import Session

_MANY = 40
"""Slices that are measured in the background rather than at once; one takes about a millisecond."""


class Measuring:
    """Measures the contours of the shown exam, or if there are none, its top segmentation.

    `changed` is emitted when measures, choices, or the frames of ED and ES changed.

    Parameters
    ----------
    session : Session
        Has the shown exam and its phases, which are suggested to it.
    scene : Scene
        Has the layers.
    desk : JobDesk
        Measures whole cines in the background.

    Attributes
    ----------
    choices : FunctionChoices
        How function is measured; `choose` changes them. Frames of ED and ES are those of the session.
    """

    changed = Signal()

    def __init__(self, session: Session, scene: Scene, desk: JobDesk) -> None:
        self._session, self._scene, self._desk = session, scene, desk
        self.choices = FunctionChoices()
        self._layer: Any = None
        self._measures: SliceMeasures | None = None
        self._edited_meanwhile: set[Place] = set()
        self._function: CardiacFunction | None = None
        session.events.exam.connect(lambda _: self._take_exam())
        session.events.phases.connect(self._renew)
        scene.corrections.layers_changed.connect(self._take_layers)
        scene.corrections.changed.connect(self._take_change)

    @property
    def layer(self) -> Any:
        """The labels layer that is measured, or None."""
        return self._layer

    @property
    def measures(self) -> SliceMeasures | None:
        """Measures of its slices, None while they are not known."""
        return self._measures

    @property
    def function(self) -> CardiacFunction | None:
        """Function as chosen, None while it is not known."""
        if self._function is None:
            self._function = self.function_with(self.choices)
        return self._function

    def function_with(self, choices: FunctionChoices) -> CardiacFunction | None:
        """Return function as it would be with other choices, at the phases of the session."""
        exam = self._session.exam
        if exam is None or self._measures is None:
            return None
        at_phases = replace(choices, phases=self._session.phases)
        return cardiac_function(self._measures, Scan.of(exam.stack), at_phases)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What looks doubtful, in the order in which a reader should see it."""
        exam, phases = self._session.exam, self._session.phases
        if exam is None or self._measures is None:
            return ()
        judged = Judged.of(self._measures.facts, None, exam.stack.grid.slice_order, phases or None)
        return in_order(find_flags(judged), phases)

    def choose(self, choices: FunctionChoices) -> None:
        """Measure in another way."""
        threshold, self.choices = self.choices.papillary_threshold, choices
        if choices.papillary_threshold != threshold:
            self._measure_all()
        self._suggest_phases()
        self._renew()

    def _take_exam(self) -> None:
        """Forget what belongs to the person of the last exam."""
        self.choices = replace(self.choices, counted={}, height_cm=None, weight_kg=None, heart_rate_bpm=None)
        self._session.reset_phases()
        self._layer, self._measures = None, None
        self._take_layers()
        self._renew()

    def _take_layers(self) -> None:
        """Measure another layer if the one to be measured changed."""
        layer = self._to_measure(self._session.exam)
        if layer is not self._layer:
            self._layer, self._measures = layer, None
            self._measure_all()
            self._renew()

    def _to_measure(self, exam: Exam | None) -> Any:
        if exam is None:
            return None
        contours = self._scene.corrections.of(exam)
        if contours is not None:
            return contours.layer
        return next((layer for layer in self._scene.corrections.sources(exam) if layer.visible), None)

    def _take_change(self, shown: ContourLayer, places: tuple[Place, ...]) -> None:
        if shown.layer is not self._layer:
            return
        if self._measures is None:  # a whole cine is being measured
            self._edited_meanwhile |= set(places)
        elif len(places) > _MANY:
            self._measure_all()
        else:
            self._take_measures(self._renewed(self._measures, places))

    def _measure_all(self) -> None:
        exam, layer, threshold = self._session.exam, self._layer, self.choices.papillary_threshold
        if exam is None or layer is None:
            return
        self._edited_meanwhile = set()
        labels: NDArray[np.uint8] = layer.data

        def work(*_: object) -> SliceMeasures:
            return SliceMeasures.of(labels, exam.stack.spacing_mm, exam.pixels, threshold)

        def take(found: SliceMeasures) -> None:
            is_current = layer is self._layer and exam is self._session.exam
            if is_current and threshold == self.choices.papillary_threshold:
                self._take_measures(self._renewed(found, self._edited_meanwhile))

        self._desk.read(Job("Measure volumes", work, is_silent=True), take)

    def _renewed(self, measures: SliceMeasures, places: Iterable[Place]) -> SliceMeasures:
        """Return the measures after slices changed."""
        exam, labels, threshold = self._session.exam, self._layer.data, self.choices.papillary_threshold
        assert exam is not None  # of the measured layer
        for place in places:
            measures = measures.measured_again(place, labels[place], exam.pixels[place], threshold)
        return measures

    def _take_measures(self, measures: SliceMeasures) -> None:
        self._measures = measures
        self._suggest_phases()
        self._renew()

    def _suggest_phases(self) -> None:
        found = self.function_with(self.choices)
        if found is not None and any(ml is not None for ml in found.curves[Structure.LV]):
            self._session.suggest_phases(find_ed_es(found.curves[Structure.LV]))

    def _renew(self) -> None:
        self._function = None
        self.changed.emit()
