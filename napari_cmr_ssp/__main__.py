"""``python -m napari_cmr_ssp [COHORT [WORKSPACE [RUN]]]``: start napari with the workbench."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_ssp.runs import Run
from cmr_ssp.subjects import Role

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.panels import DataController, RunsController
from napari_cmr_ssp.preferences import read_preferences

if TYPE_CHECKING:
    from cmr_ssp.subjects import Cohort

    from napari_cmr_ssp.scene.exams import Exam
    from napari_cmr_ssp.workbench import Workbench


def open_workbench(viewer: Any, cohort: Path | None, workspace: Path | None, run: str | None) -> Workbench:
    """Dock the workbench, open a cohort, show a test subject of a run and segment it.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer that the workbench is docked in.
    cohort, workspace : Path, optional
        Folder of the cohort, and folder that contains ``runs``.
    run : str, optional
        Name of a run in the workspace.
    """
    preferences = read_preferences()
    if workspace is not None:
        preferences = replace(preferences, workspace=workspace)
    bench = dock_workbench(viewer, None if workspace is None else preferences)
    if run is not None:
        _show_when_listed(bench, preferences.runs / run)
    if cohort is not None:
        bench.panel(DataController).open_cohort(cohort)
    return bench


def _show_when_listed(bench: Workbench, run: Path) -> None:
    """Show a test subject of the run once the cohort is listed, then its segmentation."""
    runs = bench.panel(RunsController)

    def show(cohort: Cohort) -> None:
        bench.session.events.cohort.disconnect(show)
        bench.session.use_split(Run(run).split())
        test = bench.session.split.ids(Role.TEST)
        bench.panel(DataController).show_exam(cohort.subject(test[0]) if test else cohort.subjects[0])

    def segment(_: Exam) -> None:
        bench.session.events.exam.disconnect(segment)
        bench.tabs.setCurrentWidget(runs.view)
        runs.refresh(run, segment_shown)

    def segment_shown() -> None:
        if runs.view.selected_run is not None:
            runs.segmenting.segment_shown(runs.view.selected_run)

    bench.session.events.cohort.connect(show)
    bench.session.events.exam.connect(segment)


def main() -> None:
    """Parse the command line and run napari."""
    import napari

    cohort, workspace, run, *_ = [*sys.argv[1:], None, None, None]
    viewer = napari.Viewer()
    open_workbench(viewer, Path(cohort) if cohort else None, Path(workspace) if workspace else None, run)
    napari.run()


if __name__ == "__main__":
    main()
