"""The scores stored in a run."""

from __future__ import annotations

from collections.abc import Iterable

from cmr_ssp.atomic import write_text
from cmr_ssp.evaluation import Score, read_scores, scores_csv
from cmr_ssp.runs.run import Run


def stored_scores(run: Run) -> tuple[Score, ...]:
    """Return all scores of a run, none if it was never evaluated.

    Raises
    ------
    ScoreError
        If the table is damaged.
    """
    return read_scores(run.scores) if run.scores.exists() else ()


def store_scores(run: Run, scores: Iterable[Score]) -> None:
    """Add scores to the table of a run; they replace those of the same subject, phase and structure.

    Raises
    ------
    ScoreError
        If the table is damaged.
    OutputError
        If it cannot be written.
    """
    every = (*stored_scores(run), *scores)
    newest = {(score.subject, score.phase, score.structure): score for score in every}
    write_text(run.scores, scores_csv(newest[key] for key in sorted(newest)))
