"""Operations of the tests on the real dock widget."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmr_ssp import jobs
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import Recipe, method_names
from cmr_ssp.runs import Run, RunSummary
from cmr_ssp.runs.listing import RunState
from cohort_helpers import segmentation, write_beating_cohort

from napari_cmr_ssp.panels import DataController, ReconstructionController, RunsController, TrainController
from napari_cmr_ssp.panels.data.view import DataView
from napari_cmr_ssp.panels.reconstructions.view import ReconstructionView
from napari_cmr_ssp.panels.runs.view import RunsView
from napari_cmr_ssp.panels.train.view import TrainView
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.workbench import Workbench

Wait = Callable[[Callable[[], object]], None]

PLUGIN = "napari-cmr-ssp"
ENDLESS = 100_000
"""Number of updates of a training that tests stop."""


def docked(viewer: Any, workspace: Path) -> Workbench:
    """Add a new workbench to a viewer."""
    bench = Workbench(viewer, Preferences("cpu", 1, workspace))
    viewer.window.add_dock_widget(bench, name="Cardiac MR workbench")
    return bench


def open_folder(bench: Workbench, folder: Path, wait: Wait) -> None:
    """Open a cohort or an exam and wait for it."""
    bench.panel(DataController).open_cohort(folder)
    wait(lambda: bench.session.cohort is not None and bench.session.cohort.root == folder and idle(bench))


def data_view(bench: Workbench) -> DataView:
    return bench.panel(DataController).view


def train_view(bench: Workbench) -> TrainView:
    return bench.panel(TrainController).view


def runs_view(bench: Workbench) -> RunsView:
    return bench.panel(RunsController).view


def reconstruction_view(bench: Workbench) -> ReconstructionView:
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


def segment_shown(bench: Workbench, wait: Wait) -> Any:
    """Segment the displayed exam with the selected run and return the layer."""
    runs_view(bench).segment_shown.click()
    wait(lambda: idle(bench))
    assert bench.job_bar.title.text().startswith("Finished"), bench.job_bar.problems.text()
    return bench.scene._viewer.layers[-1]


def train_from_scratch(workspace: Path, name: str) -> None:
    """Write a cohort to ``cohort`` of a workspace and train a run from scratch."""
    cohort = open_cohort(write_beating_cohort(workspace / "cohort", "abcd"))
    settings = jobs.JobSettings("cpu", bank_folder=workspace / "banks")
    recipe, run = segmentation(method="scratch"), Run(workspace / "runs" / name)
    jobs.finetune(cohort, recipe, run, budget=jobs.LabelBudget(2), settings=settings)


def state(run: Path) -> str:
    found: str = json.loads((run / "state.json").read_text())["state"]
    return found


def run_of(folder: Path, method: str, *labelled: str) -> RunSummary:
    """Return a finished run that was trained on the ED labels of some subjects."""
    return RunSummary(
        folder=folder,
        name=folder.name,
        method=method,
        state=RunState.FINISHED,
        update=5,
        updates=5,
        labelled=dict.fromkeys(labelled, ("ED",)),
        pretrained_from=None,
        has_checkpoint=True,
        has_best=True,
        mean_test_dice=None,
        n_test_subjects=0,
        problems=(),
        modified=datetime.now(UTC),
    )
