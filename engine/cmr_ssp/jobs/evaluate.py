"""Score a run on the labelled subjects of a cohort."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError
from cmr_ssp.evaluation import Score, SubjectRole, scores_csv
from cmr_ssp.evaluation.scores import DISTANCE_COLUMNS, SPACING_COLUMNS
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.files import open_stack, resolve_subject
from cmr_ssp.function.comparing import Comparison
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import SEGMENTING_MEMORY_REMEDY
from cmr_ssp.jobs.scoring import Scored, Scorer, ScoreStore, read_references
from cmr_ssp.jobs.segmenting import for_each, segment_frames
from cmr_ssp.runs import CheckpointName, Run
from cmr_ssp.subjects import Cohort, Subject

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a run.

    Attributes
    ----------
    scores : tuple of Score
        All scores, of subjects of any role.
    foreign : bool
        True if the run's split contains no subject of the cohort.
    outcome : Outcome
        STOPPED if the job was cancelled, so that subjects are missing.
    function : tuple of Comparison
        Volumes and EF beside those of the references.

    Examples
    --------
    >>> evaluation = cmr_ssp.evaluate("runs/tuned", cohort)
    >>> {score.role.value for score in evaluation.reported}
    {'test'}
    """

    scores: tuple[Score, ...]
    foreign: bool
    outcome: Outcome = Outcome.FINISHED
    function: tuple[Comparison, ...] = ()

    @property
    def reported(self) -> tuple[Score, ...]:
        """Scores that enter the means: those of test subjects."""
        return tuple(score for score in self.scores if score.role is SubjectRole.TEST)

    def to_dataframe(self) -> pd.DataFrame:
        """Return all scores as a table for pandas, with the columns of the CSV file."""
        import pandas as pd

        unknown = {"dice": ["n/a"], **{column: [""] for column in (*DISTANCE_COLUMNS, *SPACING_COLUMNS)}}
        text = dict.fromkeys(("subject", "cine", "run", "checkpoint"), str)
        table = io.StringIO(scores_csv(self.scores))
        return pd.read_csv(table, dtype=text, na_values=unknown, keep_default_na=False)


def evaluate(
    run: Run,
    cohort: Cohort,
    *,
    phases: Sequence[Phase] = tuple(Phase),
    checkpoint: CheckpointName = "last",
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Evaluation:
    """Segment every labelled phase of every subject and score it on the image's own voxel grid.

    Scores, and volumes beside those of the references, are also saved in the run (`Run.scores`,
    `Run.function`); `checkpoint` is as for `cmr_ssp.jobs.segment`.

    Raises
    ------
    CmrSspError
        If no subject is labelled or files cannot be used; the error names all of them.
    """
    cancel = cancel or Cancel()
    found: list[Score] = []
    compared: list[Comparison] = []
    labelled = [subject for subject in cohort.subjects if set(subject.phases) & set(phases)]

    def work() -> Outcome:
        run.split()  # raises if it is not a run
        unlabelled = CohortError.of(
            cohort.root, "no subject is labelled", "Point to a cohort with labels of these phases."
        )
        if not labelled:
            raise unlabelled
        scorer = Scorer.of(run, device, on_event, checkpoint)
        store = ScoreStore(run, on_event, checkpoint)

        def score(subject: Subject) -> None:
            scored = _score(scorer, subject, phases, cancel)
            store.add(scored)
            found.extend(scored.scores)
            compared.extend(scored.function)

        for_each(labelled, score, "subjects scored", on_event, cancel)
        if not found:
            raise unlabelled
        return Outcome.FINISHED

    outcome = run_job(work, on_event, out_of_memory=SEGMENTING_MEMORY_REMEDY)
    split = run.split()
    foreign = not any(split.role(subject.id) for subject in cohort.subjects)
    return Evaluation(tuple(found), foreign, outcome, tuple(compared))


def _score(scorer: Scorer, listed: Subject, phases: Sequence[Phase], cancel: Cancel) -> Scored:
    subject = resolve_subject(listed)
    references = read_references(subject, phases)
    if not references:  # its label files are empty
        return Scored()
    stack = open_stack(subject)
    frames = [reference.frame for reference in references.values()]
    segmented = segment_frames(scorer.segmenter, stack, frames, lambda *_: cancel.check())
    return scorer.score(subject, stack, references, segmented)
