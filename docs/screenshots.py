"""Make the pictures of the window in ``docs/images``: every state on the phantom and, if given, a real cine.

``make screenshots`` runs it; ``make screenshots SUNNYBROOK=FOLDER MODEL=RUN`` adds Sunnybrook, segmented by
a run that was trained on real subjects. It trains for about two minutes and needs a display.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import napari
from cmr_ssp.anatomy import Phase
from cmr_ssp.subjects import Role
from qtpy.QtWidgets import QApplication

from napari_cmr_ssp.context import Panel
from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.panels import (
    CorrectController,
    DataController,
    FunctionController,
    ReconstructionController,
    RunsController,
    TrainController,
)
from napari_cmr_ssp.preferences import Preferences, free_threads

IMAGES = Path(__file__).parent / "images"
LARGE, SMALL = (1400, 880), (1000, 640)
PATIENCE_S = 600.0


class Studio:
    """A viewer with the workbench, and a camera."""

    def __init__(self, workspace: Path, out: Path) -> None:
        self.out = out
        self.viewer = napari.Viewer(show=False)
        self.bench = dock_workbench(self.viewer, Preferences("cpu", free_threads(), workspace))
        self.viewer.show()
        self.viewer.window.resize(*LARGE)

    def wait(self, condition: Callable[[], object]) -> None:
        """Let Qt work until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            QApplication.processEvents()
            time.sleep(0.01)
            if time.monotonic() > end:
                sys.exit(f"nothing happened: {self.bench.job_bar.title.text()}")

    def wait_for_jobs(self) -> None:
        """Let all jobs end, and what follows from them."""
        bench, calm_since = self.bench, time.monotonic()

        def calm() -> bool:  # a job that ends may start the next only when its signal arrives
            nonlocal calm_since
            if not bench.desk.is_idle:
                calm_since = time.monotonic()
            return time.monotonic() - calm_since > 0.3

        self.wait(calm)

    def shoot(self, name: str) -> None:
        """Save a picture of the whole window."""
        settled = time.monotonic() + 0.8
        self.wait(lambda: time.monotonic() > settled)
        self.viewer.screenshot(str(self.out / f"{name}.png"), canvas_only=False, flash=False)

    def show(self, subject: str) -> None:
        """Show an exam."""
        assert self.bench.session.cohort is not None
        self.bench.panel(DataController).show_exam(self.bench.session.cohort.subject(subject))
        self.wait_for_jobs()

    def turn_to(self, panel: type[Panel]) -> None:
        """Choose a tab."""
        self.bench.tabs.setCurrentWidget(self.bench.panel(panel).view)


def phantom(studio: Studio) -> None:
    """The way of a new user on synthetic hearts."""
    bench = studio.bench
    data, train = bench.panel(DataController).view, bench.panel(TrainController).view
    runs, reconstructions = bench.panel(RunsController).view, bench.panel(ReconstructionController).view
    studio.wait_for_jobs()
    studio.shoot("empty")
    data.opening.phantom_button.click()
    studio.wait_for_jobs()
    data.number.setValue(2)
    bench.session.tick_drawn(2, 0)
    test = bench.session.split.ids(Role.TEST)[0]
    studio.show(test)
    studio.shoot("data")
    studio.turn_to(TrainController)
    train.form.set_preset("mim/demo")
    train.start.click()
    studio.wait(lambda: len(train.curves.updates) > 60)
    studio.shoot("pretraining")
    studio.wait_for_jobs()
    pretrained = runs.runs.runs[0].folder
    train.stage.setCurrentIndex(1)
    train.choose_source(pretrained)
    train.start.click()
    studio.wait(lambda: len(train.curves.updates) > 40)
    studio.shoot("finetuning")
    studio.wait_for_jobs()
    studio.turn_to(RunsController)
    runs.choose(runs.runs.runs[0].folder)
    runs.score.click()
    studio.wait_for_jobs()
    runs.segment_shown.click()
    studio.wait_for_jobs()
    studio.shoot("result")
    studio.viewer.theme = "light"
    studio.shoot("result-light")
    studio.viewer.window.resize(*SMALL)
    studio.shoot("result-small")
    studio.turn_to(TrainController)
    studio.shoot("train-small")
    studio.viewer.theme = "dark"
    studio.viewer.window.resize(*LARGE)
    correcting(studio)
    studio.turn_to(FunctionController)
    studio.shoot("function")
    studio.turn_to(ReconstructionController)
    reconstructions.reconstruct.click()
    studio.wait_for_jobs()
    studio.shoot("reconstruction")
    studio.turn_to(TrainController)
    train.stage.setCurrentIndex(0)
    bench.preferences = replace(bench.preferences, device="cuda")  # which the machine should not have
    train.start.click()
    studio.wait_for_jobs()
    studio.shoot("failure")


def correcting(studio: Studio) -> None:
    """Contours with proposals, accepted slices and the volume curve."""
    bench = studio.bench
    panel = bench.panel(CorrectController)
    studio.turn_to(CorrectController)
    panel.view.start.click()
    panel.view.press("push")
    panel.act("go to ED")
    panel.act("accept frame")
    bench.dock_buttons["Volume curve"].click()
    studio.wait_for_jobs()
    studio.shoot("correcting")
    bench.dock_buttons["Volume curve"].click()
    panel.view.press("look")
    studio.viewer.theme = "light"
    studio.viewer.window.resize(*SMALL)
    studio.shoot("correcting-small")
    studio.viewer.theme = "dark"
    studio.viewer.window.resize(*LARGE)


def sunnybrook(studio: Studio, folder: Path, model: Path | None) -> None:
    """A real cine of a public data set (CC0), segmented by a network that never saw its like."""
    bench = studio.bench
    bench.preferences = replace(bench.preferences, device="cpu")
    studio.turn_to(DataController)
    bench.panel(DataController).open_cohort(folder)
    studio.wait_for_jobs()
    subject = next(s for s in bench.session.subjects if s.label(Phase.ED) is not None)
    studio.show(subject.id)
    studio.shoot("sunnybrook")
    if model is None:
        return
    # Its scores are of other data, which do not belong into a public picture.
    target = bench.preferences.runs / model.name
    shutil.copytree(model, target, ignore=shutil.ignore_patterns("scores.csv"))
    bench.panel(RunsController).refresh()
    studio.wait_for_jobs()
    studio.turn_to(RunsController)
    bench.panel(RunsController).view.choose(target)
    bench.panel(RunsController).view.segment_shown.click()
    studio.wait_for_jobs()
    studio.shoot("sunnybrook-result")


def main() -> None:
    """Shoot everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--sunnybrook", type=Path)
    parser.add_argument("--model", type=Path)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as workspace:
        studio = Studio(Path(workspace), chosen.out)
        phantom(studio)
        if chosen.sunnybrook is not None:
            sunnybrook(studio, chosen.sunnybrook, chosen.model)
        studio.bench.close_down()
        studio.viewer.close()


if __name__ == "__main__":
    main()
