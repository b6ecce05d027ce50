"""Compares two segmentations of the shown exam: where they differ, and their 3D Dice, after every edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import dice

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.panels.correct.texts import dice_text, role_text
from napari_cmr_ssp.scene.exams import Exam

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.correct.compare_view import CompareView

NO_PAIR = "Two segmentations are needed:<br>segment the exam, or start correcting."
SEE_ABOVE = "as shown above"


class Comparing:
    """Follows the layers of the shown exam, and the two that are compared.

    Parameters
    ----------
    context : Context
        Session and scene.
    view : CompareView
        Where it is shown.
    """

    def __init__(self, context: Context, view: CompareView) -> None:
        self.view, self._session, self._scene = view, context.session, context.scene
        self._comparison = context.scene.comparison
        self._offered: list[Any] = []
        self._pair: tuple[Any, Any] | None = None
        self._is_chosen = False
        self._texts: dict[int, str] = {}
        context.session.events.exam.connect(self._take_exam)
        context.session.events.phases.connect(view.update_soon)
        context.session.events.split.connect(view.update_soon)
        self._comparison.layers_changed.connect(self._offer)
        self._comparison.edited.connect(self._take_edit)
        context.scene.stepped.connect(view.update_soon)
        view.pair_chosen.connect(self._choose)
        view.difference_chosen.connect(self._show_difference)
        view.wanted.connect(self._show_scores)
        self._offer()

    def _take_exam(self) -> None:
        self._is_chosen = False
        self._offer()

    def _offer(self) -> None:
        """Offer the layers; keep the pair if the user chose it and both are still there."""
        exam = self._session.exam
        self._offered = self._comparison.layers(exam)
        kept = (
            self._pair
            if self._pair is not None and all(each in self._offered for each in self._pair)
            else None
        )
        if kept is None or not (self._is_chosen or self._comparison.is_shown):
            self._is_chosen = self._is_chosen and kept is not None
            kept = self._usual_pair()
        self._compare(kept)
        if self.view.difference.isChecked() and not self._comparison.is_shown:
            self.view.show_difference(on=False)  # it was removed in the layer list, or with its exam

    def _usual_pair(self) -> tuple[Any, Any] | None:
        """Return the contours and what lies below, or the top segmentation and the reference."""
        if len(self._offered) < 2:
            return None
        first, *others = self._offered
        if self._comparison.is_contours(first):
            return first, others[0]
        references = [each for each in others if self._comparison.is_reference(each)]
        return first, (references or others)[0]

    def _choose(self, first: int, second: int) -> None:
        if min(first, second) < 0:
            return
        self._is_chosen = True
        self._compare((self._offered[first], self._offered[second]))

    def _compare(self, pair: tuple[Any, Any] | None) -> None:
        """Compare these layers from now on."""
        if pair != self._pair:
            self._pair = pair
            self._comparison.follow(*(pair or ()))
            if self._comparison.is_shown:
                self._show_difference(on=pair is not None)
        names = [each.name for each in self._offered]
        rows = tuple(self._offered.index(each) for each in pair) if pair is not None else None
        self.view.offer(names, (rows[0], rows[1]) if rows is not None else None)
        self._take_edit()

    def _show_difference(self, on: bool) -> None:
        exam = self._session.exam
        if on and exam is not None and self._pair is not None:
            self._comparison.show(exam, *self._pair)
        else:
            self._comparison.hide()

    def _take_edit(self, frames: tuple[int, ...] = ()) -> None:
        """Forget the scores of these frames, or of all if none are named."""
        for frame in frames or tuple(self._texts):
            self._texts.pop(frame, None)
        self.view.update_soon()

    def _show_scores(self) -> None:
        """Say the 3D Dice of both layers at ED, ES and the shown frame."""
        exam, pair = self._session.exam, self._pair
        if exam is None or pair is None:
            self.view.show_scores([NO_PAIR])
            return
        phases = {frame: phase for phase, frame in self._session.phases.items()}
        frames = sorted({*phases, self._scene.frame})
        role = self._session.role(exam.subject.id)
        lines = [f"3D Dice of both{role_text(str(role) if role is not None else '')}:"]
        for frame in frames:
            title = f"{phases[frame]}, frame {frame}" if frame in phases else f"Frame {frame}"
            if frame not in self._texts:
                self._texts[frame] = self._text(exam, pair, frame)
            lines.append(self._texts[frame].format(title=title))
        self.view.show_scores(lines)

    def _text(self, exam: Exam, pair: tuple[Any, Any], frame: int) -> str:
        """Return the Dice of one frame as rich text; ``{title}`` stands for the name of the frame."""
        references = [self._comparison.is_reference(each) for each in pair]
        reference = _reference(exam, frame) if any(references) else None
        if reference is not None and any(self._comparison.is_contours(each) for each in pair):
            return f"<b>{{title}}</b> {SEE_ABOVE}"  # the Dice of contours against the reference
        first, second = (each.data[frame] for each in pair)
        for which, labels in (("first", first), ("second", second)):
            if not labels.any():
                return f"<b>{{title}}</b> nothing is drawn in the {which}"
        drawn = reference.drawn if reference is not None else tuple(Structure)
        both = [s for s in Structure if s in drawn and ((first == s).any() or (second == s).any())]
        return dice_text("{title}", {s: dice(first, second, s) for s in both})


def _reference(exam: Exam, frame: int) -> Any | None:
    """Return the reference of a frame, None if the frame is not labelled."""
    phase: Phase | None = exam.phase_frames.get(frame)
    return exam.references[phase] if phase is not None else None
