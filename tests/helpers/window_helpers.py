"""What the tests do to the real dock widget."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from cmr_ssp.recipes import Recipe, method_names

from napari_cmr_ssp.panels import DataController, ReconstructionController, RunsController, TrainController
from napari_cmr_ssp.panels.data.view import DataView
from napari_cmr_ssp.panels.reconstructions.view import ReconstructionView
from napari_cmr_ssp.panels.runs.view import RunsView
from napari_cmr_ssp.panels.train.view import TrainView
from napari_cmr_ssp.workbench import Workbench

Wait = Callable[[Callable[[], object]], None]


def data_view(bench: Workbench) -> DataView:
    return bench.panel(DataController).view


def train_view(bench: Workbench) -> TrainView:
    return bench.panel(TrainController).view


def runs_view(bench: Workbench) -> RunsView:
    return bench.panel(RunsController).view


def rebuild_view(bench: Workbench) -> ReconstructionView:
    return bench.panel(ReconstructionController).view


def idle(bench: Workbench) -> bool:
    return bench.desk.is_idle


def ask(bench: Workbench, recipe: Recipe, *, pretrains: bool) -> Path:
    """Fill in the form, press Start, and return the run's folder."""
    train_view(bench).stage.setCurrentIndex(0 if pretrains else 1)
    if pretrains:
        train_view(bench).method.setCurrentIndex(method_names().index(recipe.method))
    train_view(bench).form.set_value(recipe)
    folder = bench.panel(TrainController).plan().run_folder
    train_view(bench).start.click()
    return folder


def train(bench: Workbench, recipe: Recipe, wait: Wait, *, pretrains: bool) -> Path:
    """Train to the end."""
    folder = ask(bench, recipe, pretrains=pretrains)
    wait(lambda: idle(bench) and bench.job_bar.title.text().startswith(("Finished", "Failed")))
    assert bench.job_bar.title.text().startswith("Finished"), bench.job_bar.problems.text()
    return folder


def show(bench: Workbench, subject: str, wait: Wait) -> None:
    assert bench.session.cohort is not None
    bench.panel(DataController).show_exam(bench.session.cohort.subject(subject))
    wait(lambda: bench.session.exam is not None and bench.session.exam.subject.id == subject)


def state(run: Path) -> str:
    found: str = json.loads((run / "state.json").read_text())["state"]
    return found
