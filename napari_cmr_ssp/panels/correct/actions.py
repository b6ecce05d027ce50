"""What the buttons and keys of the panel do to the contours of the shown slice, frame or cine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cmr_ssp.anatomy import Phase
from cmr_ssp.editing.contours import Place
from cmr_ssp.editing.filling import interpolated_slices, merged
from cmr_ssp.editing.outlines import Plane, Region, region_of, with_region
from cmr_ssp.editing.propagation import propagated
from cmr_ssp.editing.shapes import grown, smoothed
from cmr_ssp.editing.states import ContourState
from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel, OnEvent, Preparing

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.contour_tools import ContourTools

_STEP_MM = 1.0
_SMOOTH_MM = 2.0

Planes = dict[Place, Plane]


class ContourActions:
    """Does what is asked for at the place that is shown.

    Parameters
    ----------
    context : Context
        Session, scene and desk.
    tools : ContourTools
        Their settings say which outline is meant, and whether structures may overwrite others.
    go_to_change : callable
        Is given the places of every step that need not be the shown one.
    """

    def __init__(
        self, context: Context, tools: ContourTools, go_to_change: Callable[[tuple[Place, ...]], None]
    ) -> None:
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self._tools, self._go_to_change = tools, go_to_change
        self._acts: dict[str, Callable[[ContourLayer], object]] = {
            "smooth": lambda shown: self._reshape(shown, lambda r: smoothed(r, _SMOOTH_MM, shown.spacing_mm)),
            "grow": lambda shown: self._reshape(shown, lambda r: grown(r, _STEP_MM, shown.spacing_mm)),
            "shrink": lambda shown: self._reshape(shown, lambda r: grown(r, -_STEP_MM, shown.spacing_mm)),
            "clear": lambda shown: self._reshape(shown, np.zeros_like),
            "copy to apex": lambda shown: self._copy(shown, 0, 1),
            "copy to base": lambda shown: self._copy(shown, 0, -1),
            "copy to next frame": lambda shown: self._copy(shown, 1, 0),
            "interpolate": self._interpolate,
            "propagate slice": lambda shown: self._propagate(shown, [self._scene.slice]),
            "propagate frame": lambda shown: self._propagate(shown, range(shown.contours.labels.shape[1])),
            "accept slice": lambda shown: shown.accept([self._place]),
            "accept frame": self._accept_frame,
            "undo": lambda shown: self._go_to_change(shown.undo()),
            "redo": lambda shown: self._go_to_change(shown.redo()),
            "go to ED": lambda _: self._go_to_phase(Phase.ED),
            "go to ES": lambda _: self._go_to_phase(Phase.ES),
            "set ED": lambda _: self._session.choose_phase(Phase.ED, self._scene.frame),
            "set ES": lambda _: self._session.choose_phase(Phase.ES, self._scene.frame),
        }

    def act(self, name: str, shown: ContourLayer) -> None:
        """Do something to contours by its name."""
        self._acts[name](shown)

    @property
    def _place(self) -> Place:
        return self._scene.frame, self._scene.slice

    def _reshape(self, shown: ContourLayer, change: Callable[[Region], Region]) -> None:
        """Change the region inside the chosen outline of the shown slice."""
        plane, settings = shown.contours.plane(self._place), self._tools.settings
        region = change(region_of(plane, settings.outline))
        shown.change(
            {self._place: with_region(plane, settings.outline, region, overwrite=settings.overwrites)}
        )

    def _copy(self, shown: ContourLayer, frames: int, slices: int) -> None:
        """Copy the shown slice to a neighbour and go there."""
        n_frames, n_slices = shown.contours.labels.shape[:2]
        frame, slice_ = self._place
        target = ((frame + frames) % n_frames, slice_ + slices)
        if not 0 <= target[1] < n_slices:
            self._refuse("the shown slice is the last one", "Go to another slice.")
            return
        plane = shown.contours.plane(self._place)
        locked = shown.contours.states.locked(*target) if not self._tools.settings.overwrites else ()
        shown.change({target: merged(shown.contours.plane(target), plane, locked)})
        self._scene.go_to(*target)

    def _interpolate(self, shown: ContourLayer) -> None:
        """Propose what lies between the drawn slices of the shown frame."""
        frame = self._scene.frame
        found = interpolated_slices(shown.contours.labels[frame], shown.spacing_mm)
        if not found:
            self._refuse("no slice is missing between drawn ones", "Draw two slices with a gap between them.")
            return
        planes = {(frame, slice_): plane for slice_, plane in found.items()}
        self._go_to_change(shown.change(self._unlocked(shown, planes), ContourState.PROPOSED))

    def _accept_frame(self, shown: ContourLayer) -> None:
        n_slices = shown.contours.labels.shape[1]
        shown.accept([(self._scene.frame, slice_) for slice_ in range(n_slices)])

    def _propagate(self, shown: ContourLayer, slices: range | list[int]) -> None:
        """Propose the contours of the shown frame for all others, by registration in the background."""
        exam, frame = self._session.exam, self._scene.frame
        labels = shown.contours.labels[frame].copy()
        drawn = [k for k in slices if labels[k].any()]
        if exam is None or not drawn:
            self._refuse("nothing is drawn here", "Draw the contours of this frame first.")
            return
        targets = [t for t in range(len(exam.pixels)) if t != frame]

        def work(on_event: OnEvent, cancel: Cancel) -> Planes:
            found: Planes = {}
            for done, k in enumerate(drawn):
                on_event(Preparing("slices", done, len(drawn)))
                planes = propagated(
                    exam.pixels[:, k], labels[k], frame, targets, shown.spacing_mm, cancel=cancel
                )
                found |= {(t, k): plane for t, plane in planes.items()}
            return found

        def take(found: Planes) -> None:
            shown.change(self._unlocked(shown, found), ContourState.PROPOSED)

        self._desk.read(Job("Propagate contours", work), take)

    def _unlocked(self, shown: ContourLayer, planes: Planes) -> Planes:
        """Return proposals that leave alone what a person decided."""
        contours = shown.contours
        return {
            place: merged(contours.labels[place], plane, contours.states.locked(*place))
            for place, plane in planes.items()
        }

    def _go_to_phase(self, phase: Phase) -> None:
        frames = self._session.phases
        if phase in frames:
            self._scene.go_to(frames[phase], self._scene.slice)
        else:
            self._refuse(f"its {phase} is not known", "Segment the exam, or go to the frame and set it.")

    def _refuse(self, what: str, remedy: str) -> None:
        self._desk.show_problems([Problem("contours", what, remedy)])
