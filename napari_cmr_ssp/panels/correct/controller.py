"""Corrects the contours of the shown exam, keeps a draft of them, and says how they compare."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.editing.contours import Contours, Place
from cmr_ssp.editing.drafts import Draft
from cmr_ssp.editing.states import ContourState, ContourStates
from cmr_ssp.errors import Problem
from cmr_ssp.evaluation import dice
from cmr_ssp.subjects import Origin

from napari_cmr_ssp.context import NO_EXAM, Area, Context
from napari_cmr_ssp.panels.correct.actions import ContourActions
from napari_cmr_ssp.panels.correct.comparing import Comparing
from napari_cmr_ssp.panels.correct.drafts import DraftKeeper
from napari_cmr_ssp.panels.correct.keys import usable_keys
from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.scene.contour_tools import ContourTools, Tool
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.correct.view import CorrectView

_LINEAGE = ("run", "checkpoint", "file", "origin")
NOTHING_TO_CORRECT = Problem(
    "contours", "none are being corrected", "Choose what to start from and press 'Start correcting'."
)


class CorrectController:
    """Starts corrections, passes the tools on to them, and shows how far they are."""

    title: ClassVar[str] = "Correct"
    area: ClassVar[Area] = Area.TAB

    def __init__(self, context: Context, view: CorrectView) -> None:
        self.view = view
        self._session, self._scene, self._desk = context.session, context.scene, context.desk
        self.tools = ContourTools()
        self.drafts = DraftKeeper(context)
        self.actions = ContourActions(context, self.tools, self._go_to_change)
        self._shown: ContourLayer | None = None
        context.session.events.exam.connect(self._take_exam)
        context.session.drawing_requested.connect(self.draw_by_hand)
        context.scene.corrections.layers_changed.connect(self._take_layers)
        context.scene.stepped.connect(view.states.show_place)
        self.tools.radius_changed.connect(view.show_radius)
        view.start_requested.connect(self.start)
        view.draft_requested.connect(self.continue_draft)
        view.tool_chosen.connect(self.choose_tool)
        view.settings_changed.connect(self._take_settings)
        view.action_requested.connect(self.act)
        view.place_requested.connect(context.scene.go_to)
        view.look_chosen.connect(self._show_look)
        for keep in (view.tick, context.session.labels_saving):
            keep.connect(lambda: self.drafts.keep(self._shown))
        view.show_contours(None)
        self.comparing = Comparing(context, view.compare)
        self._preferences = context.preferences
        self._preferences.changed.connect(self._take_keys)
        self._take_keys()

    @classmethod
    def make(cls, context: Context) -> Self:
        """Make the view and its controller."""
        from napari_cmr_ssp.panels.correct.view import CorrectView

        return cls(context, CorrectView())

    def start(self, source: str) -> None:
        """Start to correct a copy of the segmentation in a layer, or to draw by hand if it names none."""
        exam = self._session.exam
        if exam is None:
            self._desk.show_problems([NO_EXAM])
            return
        layers = {layer.name: layer for layer in self._scene.corrections.sources(exam)}
        if source not in layers:
            labels = np.zeros(exam.pixels.shape, np.uint8)
            self._begin(exam, Draft(labels, ContourStates.of(labels), {"origin": Origin.MANUAL.value}))
            return
        layer = layers[source]
        labels = np.array(layer.data, np.uint8)
        about = {key: str(layer.metadata[key]) for key in _LINEAGE if key in layer.metadata}
        state = ContourState.PROPOSED if "run" in about else ContourState.ACCEPTED
        self._begin(exam, Draft(labels, ContourStates.of(labels, state), about))

    def draw_by_hand(self) -> None:
        """Go to empty contours of the shown exam; to those that it has already, or to its draft."""
        if self._session.exam is None:
            self._desk.show_problems([NO_EXAM])
            return
        self._session.tab = self.title
        if self._shown is None and not self.view.offers_draft:
            self.start("")

    def continue_draft(self) -> None:
        """Continue with the draft of the shown exam."""
        exam = self._session.exam
        if exam is not None:
            self.drafts.read(exam, lambda draft: self._begin(exam, draft, is_saved=True))

    def choose_tool(self, tool: Tool) -> None:
        """Choose what the left mouse button does, and select the contours, which it then acts on."""
        self.tools.settings.tool = tool
        self.tools.apply()
        if self._shown is not None:
            self._scene.corrections.select(self._shown)

    def act(self, name: str) -> None:
        """Do what a button or key asks for."""
        if self._shown is None:
            self._desk.show_problems([NOTHING_TO_CORRECT])
        else:
            self.actions.act(name, self._shown)

    def _begin(self, exam: Exam, draft: Draft, *, is_saved: bool = False) -> None:
        if self._session.exam is not exam:
            return
        contours = Contours(draft.labels, draft.states)
        shown = self._scene.corrections.show(exam, contours, **draft.about)
        self.drafts.follow(exam, shown, draft.about, is_saved=is_saved)
        self._use(shown)

    def _take_exam(self, exam: Exam | None) -> None:
        self.view.offer_draft("")
        self._take_layers()
        self._look_for_draft(exam)

    def _look_for_draft(self, exam: Exam | None) -> None:
        if exam is not None:
            self.drafts.look(exam, lambda when: self._offer_draft(exam, when))

    def _offer_draft(self, exam: Exam, when: str) -> None:
        if self._session.exam is exam and self._shown is None:
            self.view.offer_draft(when)

    def _take_layers(self) -> None:
        exam = self._session.exam
        shown = self._scene.corrections.of(exam)
        if shown is not self._shown:
            self._use(shown)
            if shown is None:  # the user removed the contours, perhaps by mistake
                self._look_for_draft(exam)
        names = [layer.name for layer in self._scene.corrections.sources(exam)] if exam is not None else []
        self.view.offer_sources(names)

    def _use(self, shown: ContourLayer | None) -> None:
        """Correct these contours from now on."""
        if self._shown is not None:
            self._shown.changed.disconnect(self._take_change)
            self.drafts.keep(self._shown)
        self._shown = shown
        if shown is not None:
            shown.changed.connect(self._take_change)
            self._take_settings()
            self._show_look(self.view.look.currentText())
            self._bind_keys(shown)
        self.tools.use_on(shown)
        self.view.show_contours(shown.contours if shown is not None else None)
        self._show_scores()

    def _take_keys(self) -> None:
        """Use the keys of the preferences from now on."""
        self.keys, problems = usable_keys(self._preferences.now.keys)
        self.view.show_keys(self.keys, problems)
        if self._shown is not None:
            self._bind_keys(self._shown)

    def _bind_keys(self, shown: ContourLayer) -> None:
        shown.bind({key: partial(self.view.press, name) for name, key in self.keys.items()})

    def _take_settings(self) -> None:
        self.view.fill_in(self.tools.settings)
        self.tools.apply()

    def _take_change(self, places: tuple[Place, ...]) -> None:
        self.view.show_change()
        exam = self._session.exam
        if exam is not None and any(frame in exam.phase_frames for frame, _ in places):
            self._show_scores()

    def _show_scores(self) -> None:
        """Say the 3D Dice against the reference of each labelled phase."""
        exam, shown = self._session.exam, self._shown
        rows: list[tuple[Phase, dict[Structure, float]]] = []
        if exam is not None and shown is not None:
            for phase, reference in exam.references.items():
                labels = shown.contours.labels[reference.frame]
                found = {s: dice(labels, reference.labels, s) for s in Structure if s in reference.drawn}
                rows.append((phase, found))
        role = self._session.role(exam.subject.id) if exam is not None else None
        self.view.show_scores(rows, str(role) if role is not None else "")

    def _go_to_change(self, places: tuple[Place, ...]) -> None:
        """Show a place where something changed, unless one is shown already."""
        if places and (self._scene.frame, self._scene.slice) not in places:
            self._scene.go_to(*places[0])

    def _show_look(self, look: str) -> None:
        if self._shown is not None:
            self._shown.layer.visible = look != "hidden"
            self._shown.layer.contour = 1 if look == "outline" else 0
