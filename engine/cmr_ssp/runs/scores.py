"""The scores stored in a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.atomic import write_text
from cmr_ssp.evaluation import Score, read_scores, scores_csv
from cmr_ssp.runs.choice import CheckpointName
from cmr_ssp.runs.run import Run


def stored_scores(run: Run, checkpoint: CheckpointName = "last") -> tuple[Score, ...]:
    """Return all scores of a run by one of its checkpoints, none if it was never evaluated.

    Raises
    ------
    ScoreError
        If the table is damaged.
    """
    table = _table(run, checkpoint)
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
    write_text(_table(run, checkpoint), scores_csv(newest[key] for key in sorted(newest)))


def _table(run: Run, checkpoint: CheckpointName) -> Path:
    return run.best_scores if checkpoint == "best" else run.scores
