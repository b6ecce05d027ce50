"""Score segmentations against the labels of a subject, and save the scores in the run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import OutputError, Severity
from cmr_ssp.evaluation import ResultMetadata, Score, SubjectRole, score_segmentation
from cmr_ssp.events import Noticed, OnEvent, ignore_events
from cmr_ssp.files import read_segmentation
from cmr_ssp.function.comparing import Comparison, Conditions, compare_function
from cmr_ssp.jobs.segmenting import SegmentedCine, load_chosen
from cmr_ssp.prediction import Segmenter
from cmr_ssp.runs import (
    CheckpointName,
    Provenance,
    Run,
    is_among,
    lineage,
    run_id,
    store_function,
    store_scores,
    stored_function,
    stored_scores,
)
from cmr_ssp.subjects import CineStack, LabelSource, ResolvedSubject, Role, Segmentation, Split

References = Mapping[Phase, Segmentation]


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of one subject, and its volumes and EF beside those of the references."""

    scores: tuple[Score, ...] = ()
    function: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """Network, split, checkpoint digest and lineage of a run, to score its segmentations."""

    segmenter: Segmenter
    split: Split
    checkpoint: str
    lineage: frozenset[str]

    @classmethod
    def of(
        cls,
        run: Run,
        device: str,
        on_event: OnEvent = ignore_events,
        checkpoint: CheckpointName = "last",
    ) -> Scorer:
        """Load a checkpoint of a run.

        Raises
        ------
        CmrSspError
            If the folder is not a run of a segmentation network, or has no such checkpoint.
        """
        split = run.split()
        segmenter, digest = load_chosen(run, checkpoint, device, on_event)
        return cls(segmenter, split, digest, frozenset([digest, *lineage(run, segmenter.provenance)]))

    def score(
        self,
        subject: ResolvedSubject,
        stack: CineStack,
        references: References,
        found: SegmentedCine,
    ) -> Scored:
        """Score the segmentation of a cine against the references, and compare volumes and EF."""
        known = subject_role(subject.id, found.fingerprint, self.segmenter.provenance, self.split)
        run = run_id(self.segmenter.recipe, self.segmenter.provenance)
        metadata = ResultMetadata.of(stack.grid.spacing_mm, found.digest, run, self.checkpoint)
        scores: list[Score] = []
        roles = {phase: label_role(known, subject.label(phase), self.lineage) for phase in references}
        predicted = {phase: found.of(reference.frame) for phase, reference in references.items()}
        for phase, reference in references.items():
            scores += score_segmentation(
                predicted[phase], reference, subject.id, phase, roles[phase], metadata
            )
        edited = SubjectRole.EDIT_AGREEMENT in roles.values()
        compared = compare_function(
            predicted,
            references,
            subject.id,
            SubjectRole.EDIT_AGREEMENT if edited else known,
            Conditions.of(stack, subject.vendor),
            metadata,
        )
        return Scored(tuple(scores), tuple(compared))


def read_references(subject: ResolvedSubject, phases: Collection[Phase]) -> References:
    """Read the references of the labelled phases among `phases`."""
    return {phase: read_segmentation(subject, phase) for phase in subject.phases if phase in phases}


class ScoreStore:
    """Saves scores of a checkpoint in its run immediately; warns once if the run is not writable.

    Raises
    ------
    ScoreError
        If a table of the run is damaged.
    """

    def __init__(self, run: Run, on_event: OnEvent, checkpoint: CheckpointName = "last") -> None:
        stored_scores(run, checkpoint), stored_function(run, checkpoint)
        self._run, self._on_event, self._checkpoint = run, on_event, checkpoint
        self._writable = True

    def add(self, found: Scored) -> None:
        """Save the scores and comparisons of a subject."""
        if not found.scores or not self._writable:
            return
        try:
            store_scores(self._run, found.scores, self._checkpoint)
            store_function(self._run, found.function, self._checkpoint)
        except OutputError as error:  # a shared run may be read-only
            self._writable = False
            for problem in error.problems:
                self._on_event(Noticed(replace(problem, severity=Severity.WARNING)))


def label_role(known: SubjectRole, label: LabelSource | None, lineage: Collection[str]) -> SubjectRole:
    """Return the role of a score against the labels of one phase.

    A score against labels that descend from the scored run or its ancestors is an edit agreement, unless the
    subject was trained on.
    """
    descends = label is not None and not set(label.corrected_from).isdisjoint(lineage)
    return SubjectRole.EDIT_AGREEMENT if descends and known is not SubjectRole.TRAINED_ON else known


def subject_role(subject_id: str, pixels: str, provenance: Provenance, split: Split) -> SubjectRole:
    """Return the role of a subject in a run, by its id and the fingerprint of its pixels.

    The same images under another id are recognised, so a copied folder cannot become a test set. Other images
    under the same id are another subject, which the run's split does not describe: ids such as 001 recur.
    """
    known = (
        (provenance.training, SubjectRole.TRAINED_ON),
        (provenance.validation, SubjectRole.VALIDATION),
        (provenance.pretraining, SubjectRole.SEEN_IN_PRETRAINING),
    )
    for subjects, role in known:
        # Without a stored fingerprint, the id decides.
        if is_among(pixels, subjects.values()) or subjects.get(subject_id) == "":
            return role
    namesake = any(subject_id in subjects for subjects, _ in known)
    unused = not namesake and split.role(subject_id) in (Role.TRAIN, Role.VALIDATION)
    return SubjectRole.POOL if unused else SubjectRole.TEST
