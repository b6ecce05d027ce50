"""Segment every frame of subjects of a cohort, and score the labelled phases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.evaluation import Score
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.files import open_stack, resolve_subject, write_segmentation
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import SEGMENTING_MEMORY_REMEDY, report_problems
from cmr_ssp.jobs.scoring import Scored, Scorer, ScoreStore, read_references
from cmr_ssp.jobs.segmenting import for_each, segment_all_frames
from cmr_ssp.jobs.targets import free_target
from cmr_ssp.runs import CheckpointName, Run
from cmr_ssp.subjects import Subject


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedSubject:
    """Segmentation and scores of one subject.

    Attributes
    ----------
    subject : Subject
        Subject as passed to `segment_subjects`.
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number, on the subject's own voxel grid.
    heart_sure : bool
        False if the heart could not be located by its motion.
    scores : tuple of Score
        Scores of its labelled phases.
    file : Path or None
        Written file, or None without an output folder.
    """

    subject: Subject
    labels: NDArray[np.uint8]
    heart_sure: bool
    scores: tuple[Score, ...]
    file: Path | None = None


OnFound = Callable[[SegmentedSubject], None]


def _ignore_found(found: SegmentedSubject) -> None:
    del found


def segment_subjects(
    run: Run,
    subjects: Sequence[Subject],
    *,
    checkpoint: CheckpointName = "last",
    device: str = "auto",
    output: Path | None = None,
    near: tuple[int, int] | None = None,
    on_found: OnFound = _ignore_found,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Outcome:
    """Segment all frames of subjects, and score the labelled phases as `cmr_ssp.jobs.evaluate` does.

    The scores are also saved in the run (`Run.scores`, `Run.best_scores`).

    Parameters
    ----------
    run : Run
        A fine-tuning run or one from scratch.
    subjects : sequence of Subject
        Labelled or not.
    checkpoint : str
        As for `cmr_ssp.jobs.segment`.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    output : Path, optional
        Folder for ``<subject id>_seg.nii.gz`` (LV 1, MYO 2, RV 3); by default nothing is written. A file of
        another exam or an edited one is kept, and ``<subject id>-2_seg.nii.gz`` is written instead.
    near : (int, int), optional
        Frame and slice at which somebody looks: what is nearest is segmented first and reported as
        `FramesSegmented`. The result is the same.
    on_found : callable, optional
        Called with each segmented subject in the thread of the job.
    on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    CmrSspError
        Before segmenting, if run, subjects or output cannot be used; at the end, if files could not be read,
        after the other subjects were segmented. The error names all of them.
    """
    cancel = cancel or Cancel()

    def work() -> Outcome:
        _require_names(subjects)
        scorer = Scorer.of(run, device, on_event, checkpoint)
        store = ScoreStore(run, on_event, checkpoint)

        def segment(subject: Subject) -> None:
            found, scored = _segment(scorer, subject, output, near, on_event, cancel)
            store.add(scored)
            on_found(found)

        for_each(subjects, segment, "subjects segmented", on_event, cancel)
        return Outcome.FINISHED

    return run_job(work, on_event, out_of_memory=SEGMENTING_MEMORY_REMEDY)


def _require_names(subjects: Sequence[Subject]) -> None:
    """Require subjects with unique ids that are safe as file names."""
    if not subjects:
        raise CohortError.of("segmentation", "no subject was given", "Give at least one.")
    problems = [
        Problem(f"'{subject.id}'", "cannot be part of a file name", "Use letters, digits, '-' and '_'.")
        for subject in subjects
        if not subject.names_files
    ]
    counts = Counter(subject.id for subject in subjects)
    problems += [
        Problem(f"'{subject_id}'", f"is the id of {n} subjects", "Segment them one by one.")
        for subject_id, n in counts.items()
        if n > 1
    ]
    if problems:
        raise CohortError(*problems)


def _segment(
    scorer: Scorer,
    subject: Subject,
    output: Path | None,
    near: tuple[int, int] | None,
    on_event: OnEvent,
    cancel: Cancel,
) -> tuple[SegmentedSubject, Scored]:
    checked = resolve_subject(subject)
    references = read_references(checked, tuple(Phase))
    stack = open_stack(checked)
    found = segment_all_frames(scorer.segmenter, subject.id, stack, on_event, cancel, near)
    scored = scorer.score(checked, stack, references, found)
    file = None
    if output is not None:
        file, in_the_way = free_target(output, subject.id, stack, found.digest)
        write_segmentation(file, found.labels, stack, cine=found.digest, checkpoint=scorer.checkpoint)
        report_problems(in_the_way, on_event)
    return SegmentedSubject(subject, found.labels, found.heart_sure, scored.scores, file), scored
