"""Segment subjects of a cohort: every frame, and scores where somebody drew."""

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
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.jobs.notices import WHERE_SEGMENTING_DOES_NOT_FIT, tell
from cmr_ssp.jobs.scoring import Scorer, ScoreRecord, read_drawings
from cmr_ssp.jobs.segmenting import one_by_one, segment_whole
from cmr_ssp.jobs.targets import beside
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Subject


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedSubject:
    """A subject that was segmented.

    Attributes
    ----------
    subject : Subject
        As it was asked for.
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number, in the subject's own voxel grid.
    heart_sure : bool
        False where motion did not tell where the heart is.
    scores : tuple of Score
        Of its labelled phases; empty where there are none.
    file : Path or None
        Where it was written to, None where nothing was to be written.
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
    device: str = "auto",
    output: Path | None = None,
    on_found: OnFound = _ignore_found,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Outcome:
    """Segment all frames of subjects, and score the labelled phases as `cmr_ssp.jobs.evaluate` does.

    The scores also stay in the run (`Run.scores`).

    Parameters
    ----------
    run : Run
        A fine-tuning run or one from scratch; its last checkpoint is used.
    subjects : sequence of Subject
        Labelled or not.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    output : Path, optional
        A folder, which gets ``<subject id>_seg.nii.gz``, LV 1, MYO 2, RV 3; nothing is written without. Where
        that file is another exam's, or was edited, it stays, and ``<subject id>-2_seg.nii.gz`` is written.
    on_found : callable, optional
        Called with each subject as soon as it is done, on the thread of this job.
    on_event, cancel
        The job's voice and ear.

    Raises
    ------
    CmrSspError
        Before anything is segmented where run, subjects or output cannot be used; at the end, naming every
        file that could not be read. The other subjects are done then.
    """
    cancel = cancel or Cancel()

    def work() -> Outcome:
        _require_names(subjects)
        scorer, record = Scorer.of(run, device, on_event), ScoreRecord(run, on_event)

        def segment(subject: Subject) -> None:
            found = _segment(scorer, subject, output, on_event, cancel)
            record.add(found.scores)
            on_found(found)

        one_by_one(subjects, segment, "subjects segmented", on_event, cancel)
        return Outcome.FINISHED

    return guarded(work, on_event, out_of_memory=WHERE_SEGMENTING_DOES_NOT_FIT)


def _require_names(subjects: Sequence[Subject]) -> None:
    """Refuse to work for nothing, and ids that would lead a file out of its folder or over another."""
    if not subjects:
        raise CohortError.of("segmentation", "no subject was named", "Name at least one.")
    problems = [
        Problem(f"'{subject.id}'", "cannot be part of a file's name", "Use letters, digits, '-' and '_'.")
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
    scorer: Scorer, subject: Subject, output: Path | None, on_event: OnEvent, cancel: Cancel
) -> SegmentedSubject:
    checked = resolve_subject(subject)
    drawings = read_drawings(checked, tuple(Phase))
    stack = open_stack(checked)
    found = segment_whole(scorer.segmenter, subject.id, stack, on_event, cancel)
    scores = tuple(scorer.score(checked, stack, drawings, found))
    file = None
    if output is not None:
        file, in_the_way = beside(output, subject.id, stack, found.digest)
        write_segmentation(file, found.labels, stack, cine=found.digest, checkpoint=scorer.checkpoint)
        tell(in_the_way, on_event)
    return SegmentedSubject(subject, found.labels, found.heart_sure, scores, file)
