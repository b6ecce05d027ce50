"""What the table of a cohort says about labels and scores of a subject, in few letters with tool tips."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, mean_dice
from cmr_ssp.subjects import Role, Subject

from napari_cmr_ssp.io.own_labels import OwnByPhase, OwnLabels
from napari_cmr_ssp.session import Session

_NO_OWN = OwnLabels()


@dataclass(frozen=True, slots=True)
class SubjectDice:
    """Mean Dice of one subject by a run, and the words of its tool tip."""

    mean: float
    tip: str


class Marks:
    """Texts and tool tips about labels and scores.

    Attributes
    ----------
    own : Mapping
        The user's own labels by subject id and phase.
    dice : Mapping
        Score of each scored subject by id.
    """

    NOTHING: ClassVar[str] = "–"

    def __init__(self, session: Session) -> None:
        self._session = session
        self.own: dict[str, OwnByPhase] = {}
        self.dice: Mapping[str, SubjectDice] = {}

    def read_scores(self) -> None:
        """Average the scores of the selected run for each subject, at the phases that are labelled here."""
        scored = self._session.scores
        labelled = {subject.id: subject.phases for subject in self._session.subjects}
        by_subject: defaultdict[str, list[Score]] = defaultdict(list)
        for score in scored.scores if scored is not None else ():
            if score.phase in labelled.get(score.subject, ()) and score.dice is not None:
                by_subject[score.subject].append(score)
        run = scored.run if scored is not None else ""
        self.dice = {subject: _dice(run, scores) for subject, scores in by_subject.items()}

    def text(self, subject: Subject, phase: Phase) -> str:
        """Say in few letters what the labels of a phase are."""
        own = self._own(subject, phase)
        if own.drafted:
            return "draft"
        if own.version:
            return f"v{own.version}"
        return "ref" if phase in subject.phases else self.NOTHING

    def tip(self, subject: Subject, phase: Phase) -> str:
        """Say what the labels of a phase are, and why they can or cannot be ticked."""
        own, is_labelled = self._own(subject, phase), phase in subject.phases
        facts = [f"{phase}: {'reference labels (ref)' if is_labelled else 'no reference labels'}"]
        if own.version:
            facts.append(f"you saved version {own.version} (v{own.version})")
        if own.drafted:
            facts.append(f"a draft of {own.drafted} is not saved yet: open the exam and go to Correct")
        return "; ".join(facts) + "." + (self._use(subject, phase) if is_labelled else "")

    def dice_text(self, subject: Subject) -> str:
        """Return the mean Dice of a subject, empty if it was not scored."""
        return f"{self.dice[subject.id].mean:.2f}" if subject.id in self.dice else ""

    def dice_tip(self, subject: Subject) -> str:
        """Say what was averaged, and how the run used the subject."""
        if subject.id in self.dice:
            return self.dice[subject.id].tip
        if self._session.scores is None:
            return "Select a run under Runs to see its scores."
        return "The selected run was not scored on this subject: press 'Score cohort' under Runs."

    def _own(self, subject: Subject, phase: Phase) -> OwnLabels:
        return self.own.get(subject.id, {}).get(phase, _NO_OWN)

    def _use(self, subject: Subject, phase: Phase) -> str:
        role = self._session.split.role(subject.id)
        if role is Role.TEST:
            return " Test subject: not used for training, so that its score is unbiased."
        if role is Role.VALIDATION:
            return " Validation subject: used to select the best checkpoint."
        return f" Tick to train on the reference labels at {phase}."


def _dice(run: str, scores: list[Score]) -> SubjectDice:
    mean = mean_dice(scores) or 0.0
    phases = " and ".join(str(phase) for phase in Phase if any(each.phase is phase for each in scores))
    structures = ", ".join(s.name for s in Structure if any(each.structure is s for each in scores))
    roles = ", ".join(sorted({str(each.role) for each in scores}))
    what = f"Mean 3D Dice {mean:.3f} of {structures} at {phases} by {html.escape(run)}"
    return SubjectDice(mean, f"{what}. Subject role: {roles}.")
