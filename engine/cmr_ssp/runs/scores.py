"""The scores and the comparisons of heart function stored in a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.atomic import write_text
from cmr_ssp.evaluation import Score, read_scores, scores_csv
from cmr_ssp.function.comparing import Comparison, comparisons_csv, read_comparisons
from cmr_ssp.runs.choice import CheckpointName
from cmr_ssp.runs.run import Run


def stored_scores(run: Run, checkpoint: CheckpointName = "last") -> tuple[Score, ...]:
    """Return all scores of a run by one of its checkpoints, none if it was never evaluated.

    Raises
    ------
    ScoreError
        If the table is damaged.
    """
    table = _scores(run, checkpoint)
    return read_scores(table) if table.exists() else ()


def store_scores(run: Run, scores: Iterable[Score], checkpoint: CheckpointName = "last") -> None:
    """Add scores to the table of a checkpoint; they replace those of the same subject, phase and structure.

    Raises
    ------
    ScoreError
        If the table is damaged.
    OutputError
        If it cannot be written.
    """
    every = (*stored_scores(run, checkpoint), *scores)
    newest = {(score.subject, score.phase, score.structure): score for score in every}
    write_text(_scores(run, checkpoint), scores_csv(newest[key] for key in sorted(newest)))


def stored_function(run: Run, checkpoint: CheckpointName = "last") -> tuple[Comparison, ...]:
    """Return all comparisons of a run by one of its checkpoints, none if it was never evaluated.

    Raises
    ------
    ScoreError
        If the table is damaged.
    """
    table = function_table(run, checkpoint)
    return read_comparisons(table) if table.exists() else ()


def store_function(run: Run, rows: Iterable[Comparison], checkpoint: CheckpointName = "last") -> None:
    """Add comparisons to the table of a checkpoint; they replace those of the same subject and quantity.

    Raises
    ------
    ScoreError
        If the table is damaged.
    OutputError
        If it cannot be written.
    """
    newest = {(row.subject, row.quantity): row for row in (*stored_function(run, checkpoint), *rows)}
    write_text(function_table(run, checkpoint), comparisons_csv(newest[key] for key in sorted(newest)))


def function_table(run: Run, checkpoint: CheckpointName = "last") -> Path:
    """Return the path of the table of comparisons of a checkpoint."""
    return run.best_function if checkpoint == "best" else run.function


def _scores(run: Run, checkpoint: CheckpointName) -> Path:
    return run.best_scores if checkpoint == "best" else run.scores
