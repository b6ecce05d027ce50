"""The report of the shown exam."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from cmr_ssp.editing.states import ContourState, ContourStates
from cmr_ssp.function import CardiacFunction, FunctionChoices, MeasuredCine, Scan, SliceMeasures

from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.scene.exams import Exam

Measured = tuple[CardiacFunction, FunctionChoices, SliceMeasures]


def report_job(
    path: Path,
    exam: Exam,
    layer: Any,
    measured: Measured,
    states: ContourStates | None,
    intervals: tuple[str, ...] = (),
) -> Job:
    """Return a job that writes the page from contours as they are now.

    Parameters
    ----------
    path : Path
        ``.pdf`` or ``.dcm``.
    exam : Exam
        The shown exam.
    layer : napari.layers.Labels
        Its contours.
    measured : tuple
        Function, choices and measures of these contours.
    states : ContourStates or None
        State of the contours, if they are corrected.
    intervals : tuple of str
        How sure the quantities are, in a sentence each.
    """
    function, choices, measures = measured
    labels = np.array(layer.data)
    origin = origin_of(layer.metadata, states, tuple(function.lv.phases.values()) if function.lv else ())
    found = MeasuredCine(function, choices, Scan.of(exam.stack), labels, measures, exam.pixels, origin)

    def work(*_: object) -> None:
        from cmr_ssp.reports.function_page import ReportText, require_report, write_report

        require_report(path)
        write_report(path, found, ReportText(found.name, found.flags(), intervals, found.walls()))

    return Job(f"Save {path.name}", work)


def origin_of(metadata: dict[str, Any], states: ContourStates | None, frames: tuple[int, ...]) -> str:
    """Return who or what made the contours, in a sentence, with the share that a person decided."""
    run, checkpoint = metadata.get("run"), str(metadata.get("checkpoint", ""))[:12]
    named = f"run {run}" + (f", checkpoint {checkpoint}" if checkpoint else "")
    if states is None:
        return f"The contours were made by {named}." if run else "The contours are the reference labels."
    at_phases = states.array[list(frames)] if frames else states.array
    drawn = at_phases[at_phases != ContourState.NOT_DRAWN]
    share = float((drawn != ContourState.PROPOSED).mean()) if drawn.size else 0.0
    made = f"begun by {named}" if run else "drawn by hand"
    return f"The contours were {made}; a person edited or accepted {share:.0%} of those at ED and ES."
