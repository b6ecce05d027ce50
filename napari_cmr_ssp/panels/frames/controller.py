"""Shows the volume curve of the measured segmentation, and lets the user choose ED and ES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from cmr_ssp.anatomy import Phase, Structure

from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.frames.view import FramesView


class FramesController:
    """Shows the volume curve of the contours, otherwise of the top segmentation, of the shown exam."""

    title: ClassVar[str] = "Volume curve"
    area: ClassVar[Area] = Area.BELOW_CANVAS

    def __init__(self, context: Context, view: FramesView) -> None:
        self.view = view
        self._session, self._scene = context.session, context.scene
        self._measuring = context.measuring
        context.session.events.exam.connect(self._take_exam)
        context.session.events.phases.connect(self._show_phases)
        context.scene.stepped.connect(lambda frame, _: view.show_frame(frame))
        context.measuring.changed.connect(self._show)
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
        self.view.show_exam(len(exam.pixels) if exam is not None else 0)
        self._show()

    def _show(self) -> None:
        function = self._measuring.function
        curves = function.curves if function is not None else {}
        self.view.show_volumes(
            {
                structure: {t: ml for t, ml in enumerate(curves.get(structure, ())) if ml is not None}
                for structure in Structure
            }
        )

    def _show_phases(self, phases: Mapping[Phase, int]) -> None:
        self.view.show_phases(phases)
        if self._session.exam is not None:
            self._scene.show_phases(phases)
