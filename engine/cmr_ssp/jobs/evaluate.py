"""Score a run on the labelled subjects of a cohort."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError
from cmr_ssp.evaluation import Score, SubjectRole, scores_csv
from cmr_ssp.evaluation.scores import SPACING_COLUMNS
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.files import open_stack, resolve_subject
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.jobs.notices import WHERE_SEGMENTING_DOES_NOT_FIT
from cmr_ssp.jobs.scoring import Scorer, ScoreRecord, read_drawings
from cmr_ssp.jobs.segmenting import one_by_one, segment_frames
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Subject

if TYPE_CHECKING:
    import pandas as pd


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

    Examples
    --------
    >>> evaluation = cmr_ssp.evaluate("runs/tuned", cohort)
    >>> {score.role.value for score in evaluation.reported}
    {'test'}
    """

    scores: tuple[Score, ...]
    foreign: bool
    outcome: Outcome = Outcome.FINISHED

    @property
    def reported(self) -> tuple[Score, ...]:
        """The scores that enter a mean: of subjects that the run never saw."""
        return tuple(score for score in self.scores if score.role is SubjectRole.TEST)

    def to_dataframe(self) -> pd.DataFrame:
        """Return all scores as a table for pandas, with the columns of the CSV file."""
        import pandas as pd

        unknown = {"dice": ["n/a"], **{column: [""] for column in SPACING_COLUMNS}}
        text = dict.fromkeys(("subject", "cine", "run", "checkpoint"), str)
        table = io.StringIO(scores_csv(self.scores))
        return pd.read_csv(table, dtype=text, na_values=unknown, keep_default_na=False)


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

    The scores also stay in the run (`Run.scores`).

    Raises
    ------
    CmrSspError
        Where no subject is labelled, or naming every file that cannot be used.
    """
    cancel = cancel or Cancel()
    found: list[Score] = []
    labelled = [subject for subject in cohort.subjects if set(subject.phases) & set(phases)]

    def work() -> Outcome:
        run.split()  # is it a run at all?
        unlabelled = CohortError.of(
            cohort.root, "no subject is labelled", "Point to a cohort with labels of these phases."
        )
        if not labelled:
            raise unlabelled
        scorer, record = Scorer.of(run, device, on_event), ScoreRecord(run, on_event)

        def score(subject: Subject) -> None:
            scores = _score(scorer, subject, phases, cancel)
            record.add(scores)
            found.extend(scores)

        one_by_one(labelled, score, "subjects scored", on_event, cancel)
        if not found:
            raise unlabelled
        return Outcome.FINISHED

    outcome = guarded(work, on_event, out_of_memory=WHERE_SEGMENTING_DOES_NOT_FIT)
    split = run.split()
    foreign = not any(split.role(subject.id) for subject in cohort.subjects)
    return Evaluation(tuple(found), foreign, outcome)


def _score(scorer: Scorer, listed: Subject, phases: Sequence[Phase], cancel: Cancel) -> list[Score]:
    subject = resolve_subject(listed)
    drawings = read_drawings(subject, phases)
    if not drawings:  # its label file turned out to hold nothing
        return []
    stack = open_stack(subject)
    frames = [drawing.frame for drawing in drawings.values()]
    segmented = segment_frames(scorer.segmenter, stack, frames, lambda *_: cancel.check())
    return scorer.score(subject, stack, drawings, segmented)
