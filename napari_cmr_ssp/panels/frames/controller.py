"""Measures the shown segmentation at every frame, and keeps ED and ES of the shown exam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.editing.contours import Place
from cmr_ssp.function import find_ed_es, voxel_ml
from cmr_ssp.subjects import voxel_counts
from numpy.typing import NDArray

from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.frames.view import FramesView

_MANY = 4
"""Frames that are measured in the background rather than at once."""

Voxels = dict[int, Mapping[Structure, int]]


class FramesController:
    """Shows the volume curve of the contours, otherwise of the top segmentation, of the shown exam."""

    title: ClassVar[str] = "Volume curve"
    area: ClassVar[Area] = Area.BELOW_CANVAS

    def __init__(self, context: Context, view: FramesView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._measured: Any = None
        self._voxels: Voxels = {}
        context.session.events.exam.connect(self._take_exam)
        context.session.events.phases.connect(self._show_phases)
        context.scene.stepped.connect(lambda frame, _: view.show_frame(frame))
        context.scene.corrections.layers_changed.connect(self._take_layers)
        context.scene.corrections.changed.connect(self._take_change)
        view.frame_requested.connect(lambda frame: self._scene.go_to(frame, self._scene.slice))
        view.phase_requested.connect(self.choose_phase)

    @classmethod
    def make(cls, context: Context) -> Self:
        """Make the view and its controller."""
        from napari_cmr_ssp.panels.frames.view import FramesView

        return cls(context, FramesView())

    def choose_phase(self, phase: Phase) -> None:
        """Make the shown frame ED or ES."""
        if self._session.exam is not None:
            self._session.choose_phase(phase, self._scene.frame)

    def _take_exam(self, exam: Exam | None) -> None:
        self._session.reset_phases()
        self._measured = None
        self.view.show_exam(len(exam.pixels) if exam is not None else 0)
        self._take_layers()

    def _take_layers(self) -> None:
        """Measure another layer if the one to be measured changed."""
        exam = self._session.exam
        layer = self._to_measure(exam)
        if layer is self._measured:
            return
        self._measured, self._voxels = layer, {}
        if exam is None or layer is None:
            self._show(exam)
        else:
            self._measure(exam, layer, range(len(exam.pixels)))

    def _to_measure(self, exam: Exam | None) -> Any:
        """Return the layer whose volumes are shown."""
        if exam is None:
            return None
        contours = self._scene.corrections.of(exam)
        if contours is not None:
            return contours.layer
        return next((layer for layer in self._scene.corrections.sources(exam) if layer.visible), None)

    def _take_change(self, shown: ContourLayer, places: tuple[Place, ...]) -> None:
        exam = self._session.exam
        if exam is not None and shown.layer is self._measured:
            self._measure(exam, shown.layer, {frame for frame, _ in places})

    def _measure(self, exam: Exam, layer: Any, frames: Iterable[int]) -> None:
        wanted = sorted(frames)
        labels: NDArray[np.uint8] = layer.data

        def work(*_: object) -> Voxels:
            return {frame: voxel_counts(labels[frame]) for frame in wanted}

        def take(found: Voxels) -> None:
            if layer is self._measured and exam is self._session.exam:
                self._voxels |= found
                self._show(exam)

        if len(wanted) < _MANY:
            take(work())
        else:
            self._desk.read(Job("Measure volumes", work, is_silent=True), take)

    def _show(self, exam: Exam | None) -> None:
        ml = self._volumes(exam) if exam is not None else {}
        self.view.show_volumes(ml)
        if exam is not None and self._voxels:
            lv = [ml[Structure.LV].get(frame) for frame in range(len(exam.pixels))]
            self._session.suggest_phases(find_ed_es(lv))

    def _volumes(self, exam: Exam) -> dict[Structure, dict[int, float]]:
        """Return the volume in ml of each structure at the frames where it is drawn."""
        ml_per_voxel = voxel_ml(exam.stack.grid.spacing_mm)
        return {
            structure: {
                frame: counts[structure] * ml_per_voxel
                for frame, counts in sorted(self._voxels.items())
                if counts[structure]
            }
            for structure in Structure
        }

    def _show_phases(self, phases: Mapping[Phase, int]) -> None:
        self.view.show_phases(phases)
        if self._session.exam is not None:
            self._scene.show_phases(phases)
