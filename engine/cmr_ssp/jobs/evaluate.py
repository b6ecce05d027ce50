"""Score a run on the labelled subjects of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cmr_ssp.anatomy import Phase
from cmr_ssp.devices import choose_device
from cmr_ssp.errors import CmrSspError, CohortError, ImageError, Problem
from cmr_ssp.evaluation import Score, SubjectRole, score_segmentation
from cmr_ssp.events import Cancel, OnEvent, Outcome, Preparing, ignore_events
from cmr_ssp.files import open_stack, read_segmentation, verified
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.prediction import Segmenter, load_segmenter, segment_stack
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.bank_building import fingerprint
from cmr_ssp.subjects import Cohort, Role, Split, Subject


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a run.

    Attributes
    ----------
    scores : tuple of Score
        All of them, whatever the subject's role.
    foreign : bool
        True where the run's split knows none of the cohort's subjects.
    outcome : Outcome
        Stopped where it was cancelled, so that subjects are missing.
    """

    scores: tuple[Score, ...]
    foreign: bool
    outcome: Outcome = Outcome.FINISHED

    @property
    def reported(self) -> tuple[Score, ...]:
        """The scores that enter a mean: of subjects that the run never saw."""
        return tuple(score for score in self.scores if score.role is SubjectRole.TEST)


def evaluate(
    run: Run,
    cohort: Cohort,
    *,
    phases: Sequence[Phase] = tuple(Phase),
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Evaluation:
    """Segment every labelled phase of every subject and compare in the image's own voxel grid.

    Raises
    ------
    CmrSspError
        Where no subject is labelled, or naming every file that cannot be used.
    """
    cancel = cancel or Cancel()
    found: list[Score] = []
    labelled = [subject for subject in cohort.subjects if set(subject.phases) & set(phases)]

    def work() -> Outcome:
        split = run.split()
        unlabelled = CohortError.of(
            cohort.root, "no subject is labelled", "Point to a cohort with labels of these phases."
        )
        if not labelled:
            raise unlabelled
        segmenter = load_segmenter(run.last, choose_device(device))
        torch.set_num_threads(segmenter.recipe.threads or torch.get_num_threads())
        problems: list[Problem] = []
        for done, subject in enumerate(labelled):
            if cancel.requested:
                return Outcome.STOPPED
            try:
                found.extend(_score(segmenter, subject, phases, split))
            except CmrSspError as error:
                problems += error.problems
            on_event(Preparing("subjects scored", done + 1, len(labelled)))
        if problems:
            raise ImageError(*problems)
        if not found:
            raise unlabelled
        return Outcome.FINISHED

    outcome = guarded(work, on_event)
    split = run.split()
    foreign = not any(split.role(subject.id) for subject in cohort.subjects)
    return Evaluation(tuple(found), foreign, outcome)


def _score(segmenter: Segmenter, subject: Subject, phases: Sequence[Phase], split: Split) -> list[Score]:
    subject, _ = verified(subject)
    wanted = [phase for phase in subject.phases if phase in phases]
    if not wanted:  # its label file turned out to hold nothing
        return []
    references = [read_segmentation(subject, phase) for phase in wanted]
    stack = open_stack(subject)
    pixels = stack.load()
    frames = [reference.frame for reference in references]
    in_plane = stack.grid.spacing_mm[1:]
    found = segment_stack(segmenter.network, pixels, in_plane, segmenter.recipe, frames)
    role = subject_role(subject.id, fingerprint(pixels), segmenter.provenance, split)
    scores: list[Score] = []
    for prediction, reference, phase in zip(found.labels, references, wanted, strict=True):
        scores += score_segmentation(prediction, reference, subject.id, phase, role)
    return scores


def subject_role(subject_id: str, pixels: str, provenance: Provenance, split: Split) -> SubjectRole:
    """Return what a run knew of a subject, by its id or by the fingerprint of its pixels.

    The same images under another name are recognised, so a copied folder cannot pass as a test set.
    """
    known = (
        (provenance.training, SubjectRole.TRAINED_ON),
        (provenance.validation, SubjectRole.VALIDATION),
        (provenance.pretraining, SubjectRole.SEEN_IN_PRETRAINING),
    )
    for subjects, role in known:
        if subject_id in subjects or pixels in subjects.values():
            return role
    return SubjectRole.TEST if split.role(subject_id) in (Role.TEST, None) else SubjectRole.POOL
