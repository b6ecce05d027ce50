"""What the tests do to the real dock widget."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from cmr_ssp.recipes import Recipe, method_names

from napari_cmr_ssp.workbench import Workbench

Wait = Callable[[Callable[[], object]], None]


def idle(bench: Workbench) -> bool:
    return bench.desk.is_idle


def ask(bench: Workbench, recipe: Recipe, *, pretrains: bool) -> Path:
    """Fill in the form, press Start, and return the run's folder."""
    bench.train.stage.setCurrentIndex(0 if pretrains else 1)
    if pretrains:
        bench.train.method.setCurrentIndex(method_names().index(recipe.method))
    bench.train.form.set_value(recipe)
    folder = bench.train.plan().run_folder
    bench.train.start.click()
    return folder


def train(bench: Workbench, recipe: Recipe, wait: Wait, *, pretrains: bool) -> Path:
    """Train to the end."""
    folder = ask(bench, recipe, pretrains=pretrains)
    wait(lambda: idle(bench) and bench.job_bar.title.text().startswith(("Finished", "Failed")))
    assert bench.job_bar.title.text().startswith("Finished"), bench.job_bar.problems.text()
    return folder


def show(bench: Workbench, subject: str, wait: Wait) -> None:
    assert bench.session.cohort is not None
    bench.show_exam(bench.session.cohort.subject(subject))
    wait(lambda: bench.session.exam is not None and bench.session.exam.subject.id == subject)


def state(run: Path) -> str:
    found: str = json.loads((run / "state.json").read_text())["state"]
    return found
