"""Commands in napari's menus and command palette."""

from __future__ import annotations

from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.panels import CorrectController
from napari_cmr_ssp.workbench import Workbench


def correct_contours() -> None:
    """Open the workbench where contours are corrected."""
    bench = _workbench()
    if bench is not None:
        bench.session.tab = CorrectController.title


def show_help() -> None:
    """Open the workbench with its help."""
    bench = _workbench()
    if bench is not None:
        bench.show_help()


def _workbench() -> Workbench | None:
    """Return the workbench of the viewer in front, docked if it was not; None without a viewer."""
    from napari import current_viewer

    viewer = current_viewer()
    return dock_workbench(viewer) if viewer is not None else None
