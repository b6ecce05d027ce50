"""Operations of the tests on contours that are corrected in the real window."""

from __future__ import annotations

from window_helpers import Wait, idle, show

from napari_cmr_ssp.panels import CorrectController
from napari_cmr_ssp.scene.contour_layer import ContourLayer
from napari_cmr_ssp.workbench import Workbench


def show_subject(bench: Workbench, number: int, wait: Wait) -> None:
    show(bench, bench.session.subjects[number].id, wait)
    wait(lambda: idle(bench))


def panel(bench: Workbench) -> CorrectController:
    return bench.panel(CorrectController)


def begin(bench: Workbench, source: str | None = None) -> ContourLayer:
    """Start correcting and return the contours."""
    view = panel(bench).view
    if source is not None:
        view.source.setCurrentText(source)
    view.start.click()
    shown = contours_of(bench)
    assert shown is not None and not view.starting.isVisibleTo(view)
    return shown


def contours_of(bench: Workbench) -> ContourLayer | None:
    return bench.scene.corrections.of(bench.session.exam)


def place(bench: Workbench) -> tuple[int, int]:
    return bench.scene.frame, bench.scene.slice
