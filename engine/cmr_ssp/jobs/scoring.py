"""Scores where somebody drew: against which labels, in which role, and their record in the run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cmr_ssp.anatomy import Phase
from cmr_ssp.devices import choose_device
from cmr_ssp.errors import OutputError, Severity
from cmr_ssp.evaluation import Score, Scored, SubjectRole, score_segmentation
from cmr_ssp.events import Noticed, OnEvent, ignore_events
from cmr_ssp.files import read_segmentation
from cmr_ssp.jobs.notices import tell
from cmr_ssp.jobs.segmenting import SegmentedCine
from cmr_ssp.prediction import Segmenter, load_segmenter
from cmr_ssp.runs import Provenance, Run, lineage, run_id, store_scores, stored_scores
from cmr_ssp.subjects import CineStack, LabelSource, ResolvedSubject, Role, Segmentation, Split

Drawings = Mapping[Phase, Segmentation]


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A run's network, what the run knows of subjects, its checkpoint, and all that it is or came from."""

    segmenter: Segmenter
    split: Split
    checkpoint: str
    lineage: frozenset[str]

    @classmethod
    def of(cls, run: Run, device: str, on_event: OnEvent = ignore_events) -> Scorer:
        """Load the last checkpoint of a run.

        Raises
        ------
        CmrSspError
            Where the folder holds no run that segments.
        """
        split = run.split()
        segmenter = load_segmenter(run.last, choose_device(device))
        tell(segmenter.problems, on_event)
        checkpoint, *ancestors = lineage(run, segmenter.provenance)
        return cls(segmenter, split, checkpoint, frozenset([checkpoint, *ancestors]))

    def score(
        self,
        subject: ResolvedSubject,
        stack: CineStack,
        drawings: Drawings,
        found: SegmentedCine,
    ) -> list[Score]:
        """Compare what was found in a cine with what was drawn on it."""
        known = subject_role(subject.id, found.fingerprint, self.segmenter.provenance, self.split)
        run = run_id(self.segmenter.recipe, self.segmenter.provenance)
        scored = Scored.of(stack.grid.spacing_mm, found.digest, run, self.checkpoint)
        scores: list[Score] = []
        for phase, drawing in drawings.items():
            role = label_role(known, subject.label(phase), self.lineage)
            scores += score_segmentation(found.of(drawing.frame), drawing, subject.id, phase, role, scored)
        return scores


def read_drawings(subject: ResolvedSubject, phases: Collection[Phase]) -> Drawings:
    """Read what was drawn at some phases; none where nobody drew."""
    return {phase: read_segmentation(subject, phase) for phase in subject.phases if phase in phases}


class ScoreRecord:
    """Leaves scores in a run as they come; where it may not be written to, says so once.

    Raises
    ------
    ScoreError
        Where the run holds a damaged table, before the work starts.
    """

    def __init__(self, run: Run, on_event: OnEvent) -> None:
        stored_scores(run)
        self._run, self._on_event, self._writable = run, on_event, True

    def add(self, scores: Sequence[Score]) -> None:
        """Store some scores."""
        if not scores or not self._writable:
            return
        try:
            store_scores(self._run, scores)
        except OutputError as error:  # a run that others share may be read-only
            self._writable = False
            for problem in error.problems:
                self._on_event(Noticed(replace(problem, severity=Severity.WARNING)))


def label_role(known: SubjectRole, label: LabelSource | None, lineage: Collection[str]) -> SubjectRole:
    """Return the role of a score against one phase's labels.

    Labels that descend from the scored run, or from one that it came from, measure how much was edited.
    That a subject was trained on outweighs it.
    """
    descends = label is not None and not set(label.corrected_from).isdisjoint(lineage)
    return SubjectRole.EDIT_AGREEMENT if descends and known is not SubjectRole.TRAINED_ON else known


def subject_role(subject_id: str, pixels: str, provenance: Provenance, split: Split) -> SubjectRole:
    """Return what a run knew of a subject, by its id or by the fingerprint of its pixels.

    The same images under another name are recognised, so a copied folder cannot pass as a test set. Other
    images under a known id are another subject, of whom the run's split says nothing: ids such as 001 recur.
    """
    known = (
        (provenance.training, SubjectRole.TRAINED_ON),
        (provenance.validation, SubjectRole.VALIDATION),
        (provenance.pretraining, SubjectRole.SEEN_IN_PRETRAINING),
    )
    for subjects, role in known:
        if (
            pixels in subjects.values() or subjects.get(subject_id) == ""
        ):  # seen, but nobody knows how it looked
            return role
    namesake = any(subject_id in subjects for subjects, _ in known)
    unused = not namesake and split.role(subject_id) in (Role.TRAIN, Role.VALIDATION)
    return SubjectRole.POOL if unused else SubjectRole.TEST
