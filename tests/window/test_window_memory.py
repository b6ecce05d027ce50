"""A training that ran out of memory can be started again with what fits; other failures offer nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from cmr_ssp.errors import Problem, Severity
from cmr_ssp.events import Outcome
from cmr_ssp.recipes import load_recipe
from cmr_ssp.runs import Run
from cohort_helpers import mim, segmentation, write_beating_cohort
from qtpy.QtWidgets import QApplication
from window_helpers import Wait, ask, docked, idle, open_folder, state, train_view

from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.job import Job, JobResult
from napari_cmr_ssp.jobs.retry import describe_changes, in_words_of_window
from napari_cmr_ssp.workbench import Workbench

BATCH = 8


@pytest.fixture
def bench(
    make_napari_viewer: Any, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workbench]:
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    bench = docked(make_napari_viewer(show=True), tmp_path / "workspace")
    open_folder(bench, write_beating_cohort(tmp_path / "cohort", "abcd"), wait)
    yield bench
    bench.close_down()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_the_same_training_starts_again_until_it_fits(
    bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    from cmr_ssp.methods.mim.objective import MimObjective

    fits, loss = BATCH // 4, MimObjective.loss

    def limited(self: Any, network: Any, samples: Any, seed: Any) -> Any:
        if len(samples) > fits:
            raise error
        return loss(self, network, samples, seed)

    monkeypatch.setattr(MimObjective, "loss", limited)
    asked = mim(batch_size=BATCH)
    first = ask(bench, asked, pretrains=True)
    offer = bench.job_bar.retry
    for size, before in ((4, "the whole batch of 8"), (2, "4")):
        wait(lambda: offer.isVisible() and idle(bench))
        assert f"micro-batch {size} instead of {before}" in offer.about.text()
        assert "batch size stays 8" in offer.about.text()
        problem = bench.job_bar.problems.text()
        assert offer.button.text() in problem.replace("&#x27;", "'") and "--" not in problem
        offer.button.click()
        assert not offer.isVisible()
        assert train_view(bench).name.text() not in bench.desk.titles[-1], "the name was given twice"
    wait(lambda: idle(bench))
    runs = [first, first.with_name("mim-2"), first.with_name("mim-3")]
    assert [state(run) for run in runs] == ["failed", "failed", "finished"]
    done = Run(runs[-1]).recipe()
    assert (done.batch_size, done.micro_batch, done.updates) == (BATCH, 2, asked.updates)
    assert not offer.isVisible()


def test_a_training_on_labels_keeps_its_labels(
    bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cmr_ssp.finetuning import SegmentationObjective
    from cmr_ssp.weights import load_checkpoint

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    bench.session.tick_drawn(2, 0)
    ticked = {name: sorted(map(str, phases)) for name, phases in bench.session.ticks.items()}
    with monkeypatch.context() as patched:
        patched.setattr(SegmentationObjective, "loss", exhausted)
        run = ask(bench, segmentation(method="scratch"), pretrains=False)
        wait(lambda: bench.job_bar.retry.isVisible() and idle(bench))
    bench.session.clear_ticks()  # for the next training
    bench.job_bar.retry.button.click()
    wait(lambda: idle(bench))
    again = load_checkpoint(run.with_name("scratch-2") / "last.safetensors")
    assert again.provenance.phases == ticked


def test_other_failures_offer_nothing_and_an_offer_ends_with_another_training(
    bench: Workbench, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cmr_ssp.methods.mim.objective import MimObjective

    def failing(error: BaseException) -> Any:
        def loss(*_: object, **__: object) -> None:
            raise error

        return loss

    offer, title = bench.job_bar.retry, bench.job_bar.title
    for error, offered in ((RuntimeError("odd"), False), (MemoryError(), True), (ValueError("odd"), False)):
        monkeypatch.setattr(MimObjective, "loss", failing(error))
        ask(bench, mim(), pretrains=True)
        wait(lambda: idle(bench))
        assert title.text().startswith("Failed")
        assert offer.isVisible() is offered


def test_a_warning_about_memory_names_what_the_window_has() -> None:
    remedy = "Start a run with --set micro_batch=2, which should fit, or --device cpu."
    problem = Problem("memory", "is short", remedy, Severity.WARNING, {"micro_batch": 2})
    (shown,) = in_words_of_window([problem], None)
    assert "micro batch 2 under Train" in shown.remedy and "Preferences" in shown.remedy
    assert "--" not in shown.remedy


def test_jobs_that_train_nothing_offer_nothing(qapp: QApplication) -> None:
    bar = JobBar()
    problem = Problem("memory", "is short", "Use less.", suggestion={"micro_batch": 2})
    bar.end(Job("Segment", lambda *_: None), JobResult(Outcome.FAILED, (problem,)))
    assert bar.retry.isHidden()


def test_the_text_says_what_a_smaller_batch_means() -> None:
    recipe = load_recipe("simclr/cpu-small")
    text = describe_changes(recipe, {"batch_size": 4})
    assert f"batch size 4 instead of {recipe.batch_size}" in text and "fewer slices" in text
