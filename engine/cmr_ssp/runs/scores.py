"""The scores that jobs leave in a run."""

from __future__ import annotations

from collections.abc import Iterable

from cmr_ssp.atomic import write_text
from cmr_ssp.evaluation import Score, read_scores, scores_csv
from cmr_ssp.runs.run import Run


def stored_scores(run: Run) -> tuple[Score, ...]:
    """Return all scores of a run, none where it was never scored.

    Raises
    ------
    ScoreError
        Where the table is damaged.
    """
    return read_scores(run.scores) if run.scores.exists() else ()


def store_scores(run: Run, scores: Iterable[Score]) -> None:
    """Add scores to a run's table; of the same subject, phase and structure the newest stays.

    Raises
    ------
    ScoreError
        Where the table is damaged.
    OutputError
        Where it cannot be written.
    """
    every = (*stored_scores(run), *scores)
    newest = {(score.subject, score.phase, score.structure): score for score in every}
    write_text(run.scores, scores_csv(newest[key] for key in sorted(newest)))
