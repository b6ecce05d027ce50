"""The legend on the canvas names the structures in view, and chooses how segmentations are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.anatomy import COLOURS, Structure
from cohort_helpers import write_beating_cohort
from qtpy.QtGui import QColor
from window_helpers import Wait, docked, open_folder, show

from napari_cmr_ssp.panels import CorrectController, LegendController
from napari_cmr_ssp.panels.legend.view import LegendView
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture
def bench(make_napari_viewer: Any, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    bench = docked(make_napari_viewer(show=True), tmp_path / "workspace")
    open_folder(bench, write_beating_cohort(tmp_path / "cohort", "abc", labelled="ab"), wait)
    yield bench
    bench.close_down()


def legend(bench: Workbench) -> LegendView:
    return bench.panel(LegendController).view


def reference(bench: Workbench) -> Any:
    return next(layer for layer in bench.scene._viewer.layers if layer.name.endswith("reference"))


def choose(bench: Workbench, look: str) -> None:
    legend(bench).look.setCurrentText(look)
    legend(bench).look.textActivated.emit(look)


def test_it_is_there_while_structures_are_in_view(bench: Workbench, wait: Wait) -> None:
    view = legend(bench)
    assert view.parent() is bench.scene._viewer.window._qt_viewer.canvas.native
    assert not view.isVisible()
    show(bench, "c", wait)
    assert not view.isVisible(), "nothing is labelled"
    show(bench, "a", wait)
    assert view.isVisible() and view.names.isVisible()
    reference(bench).visible = False
    assert not view.names.isVisible() and view.look.isVisible()
    reference(bench).visible = True
    assert view.names.isVisible()
    show(bench, "c", wait)
    assert not view.isVisible()


def test_its_colours_are_those_of_the_layer_in_both_themes(bench: Workbench, wait: Wait) -> None:
    show(bench, "a", wait)
    viewer, view = bench.scene._viewer, legend(bench)
    frames = set()
    for theme in ("dark", "light", "dark"):
        viewer.theme = theme
        wait(lambda: bench.palette().window().color().name() in view.styleSheet())
        picture = view.grab().toImage()
        for structure in Structure:
            swatch = view._swatches[structure]
            middle = swatch.mapTo(view, swatch.rect().center()) * picture.devicePixelRatio()
            drawn = QColor(picture.pixel(middle)).name()
            assert drawn.upper() == COLOURS[structure]
            mapped = reference(bench).colormap.map(int(structure))
            assert QColor.fromRgbF(*map(float, mapped[:3])).name() == drawn
        frames.add(view.styleSheet())
    assert len(frames) == 2, "it does not follow the theme"


def test_segmentations_are_filled_outlines_or_hidden(bench: Workbench, wait: Wait) -> None:
    show(bench, "a", wait)
    view, exam = legend(bench), bench.session.exam
    assert exam is not None
    choose(bench, "outline")
    assert reference(bench).contour == 1
    labels = exam.reference_labels
    bench.scene.show_prediction(exam, labels, "run")
    found = bench.scene._viewer.layers["a by run"]
    assert found.contour == 1 and not reference(bench).visible
    choose(bench, "hidden")
    assert not found.visible and view.isVisible() and not view.names.isVisible()
    choose(bench, "filled")
    assert found.visible and found.contour == 0 and not reference(bench).visible
    choose(bench, "hidden")
    bench.scene.show_prediction(exam, labels, "another")
    assert view.look.currentText() == "filled", "a new segmentation is in view"
    choose(bench, "hidden")
    reference(bench).visible = True  # in the layer list
    assert view.look.currentText() == "filled" and view.names.isVisible()
    choose(bench, "outline")
    show(bench, "b", wait)
    assert reference(bench).contour == 1, "the next exam looks different"


def test_contours_that_are_corrected_keep_their_own_look(bench: Workbench, wait: Wait) -> None:
    show(bench, "a", wait)
    panel = bench.panel(CorrectController)
    panel.start("a reference")
    shown = bench.scene.corrections.of(bench.session.exam)
    assert shown is not None
    look = shown.layer.contour
    choose(bench, "hidden")
    assert shown.layer.visible and legend(bench).names.isVisible()
    choose(bench, "filled")
    assert shown.layer.contour == look
    assert np.array_equal(shown.layer.data, bench.session.exam.reference_labels)


def test_other_labels_have_no_legend(bench: Workbench) -> None:
    bench.scene._viewer.add_labels(np.ones((1, 3, 8, 8), np.uint8))
    assert not legend(bench).isVisible()
