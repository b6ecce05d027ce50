"""Bring in a run that was trained elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import report_problems
from cmr_ssp.prediction.segmenter import load_unet
from cmr_ssp.runs import BroughtIn, bring_in_run

_REMEDY = "Close other programs, and try again."


def bring_in(
    place: Path,
    runs: Path,
    *,
    taken: Collection[Path] = (),
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> BroughtIn | None:
    """Check a run from elsewhere, weights included, and copy it into a folder of runs.

    Parameters
    ----------
    place : Path
        A run folder, a folder with one run, a zip archive of either, or a bundle; it is only read.
    runs : Path
        The folder of runs.
    taken : collection of Path
        Folders that waiting jobs will create.
    on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Returns
    -------
    BroughtIn or None
        The run, also if it was here already; None if the job was stopped, after which nothing remains.

    Raises
    ------
    CmrSspError
        If it cannot be used or copied; the error has every problem.
    """
    found: list[BroughtIn] = []

    def body() -> Outcome:
        found.append(bring_in_run(place, runs, _check_weights, taken=taken, on_event=on_event, cancel=cancel))
        report_problems(found[0].problems, on_event)
        return Outcome.FINISHED

    run_job(body, on_event, out_of_memory=_REMEDY)
    return found[0] if found else None


def _check_weights(path: Path) -> tuple[Problem, ...]:
    """Load the network of a checkpoint, and return warnings."""
    _, _, checkpoint = load_unet(path)
    return checkpoint.problems
