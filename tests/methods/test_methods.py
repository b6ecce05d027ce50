"""Every pretraining method in its job: it finishes, resumes to the same bits, and passes on its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.errors import CmrSspError
from cmr_ssp.events import Cancel, Event, Outcome, UpdateFinished, WeightsTransferred
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import method as registered
from cmr_ssp.recipes import method_names
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import Listener, pretraining, segmentation, write_beating_cohort
from training_helpers import measured

SPLIT = Split({"a": Role.TRAIN, "b": Role.TRAIN, "c": Role.VALIDATION})
UPDATES = 5


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "abc"))


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> jobs.JobSettings:
    return jobs.JobSettings("cpu", bank_folder=tmp_path_factory.mktemp("banks"))


@pytest.fixture(scope="module")
def runs(cohort: Cohort, banks: jobs.JobSettings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Pretrain with every method."""
    folder = tmp_path_factory.mktemp("runs")
    made = {method: Run(folder / method) for method in method_names()}
    for method, run in made.items():
        recipe = pretraining(method, updates=UPDATES)
        assert jobs.pretrain(cohort, recipe, run, split=SPLIT, settings=banks) is Outcome.FINISHED
    return made


@pytest.mark.parametrize("method", method_names())
def test_history_and_checkpoint_are_complete(runs: dict[str, Run], method: str) -> None:
    rows = runs[method].read_history()
    assert int(rows[-1]["update"]) == UPDATES
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    assert {column for column in rows[-1] if column.startswith("validation_")}
    assert ("teacher_entropy" in rows[-1]) == (method == "dino")
    assert load_checkpoint(runs[method].last).recipe.method == method


@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize("stop", [1, 3])
def test_a_stopped_run_resumes_to_the_same_bits(
    runs: dict[str, Run], cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path, method: str, stop: int
) -> None:
    run, cancel = Run(tmp_path / "run"), Cancel()

    def listen(event: Event) -> None:
        if isinstance(event, UpdateFinished) and event.update == stop:
            cancel.request()

    recipe = pretraining(method, updates=UPDATES)
    stopped = jobs.pretrain(cohort, recipe, run, split=SPLIT, settings=banks, on_event=listen, cancel=cancel)
    assert stopped is Outcome.STOPPED
    torch.manual_seed(99)  # nothing hangs on the generator's state
    assert jobs.pretrain(cohort, None, run, settings=banks, resume=True) is Outcome.FINISHED
    whole, again = (load_checkpoint(r.last) for r in (runs[method], run))
    assert whole.network.keys() == again.network.keys()
    for name, tensor in whole.network.items():
        assert torch.equal(tensor, again.network[name]), name
    assert measured(run) == measured(runs[method])


@pytest.mark.parametrize("method", method_names())
def test_fine_tuning_starts_from_what_the_method_hands_on(
    runs: dict[str, Run], cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path, method: str
) -> None:
    heard, first = Listener(), dict[str, torch.Tensor]()
    run, recipe = Run(tmp_path / "run"), segmentation(updates=1)

    def listen(event: Event) -> None:
        heard(event)
        if not first and run.last.exists():  # written before the first update
            first.update(load_checkpoint(run.last).network)

    jobs.finetune(cohort, recipe, run, pretrained=runs[method], settings=banks, on_event=listen)
    (report,) = heard.of(WeightsTransferred)
    source = load_checkpoint(runs[method].last).network
    parts = registered(method).hands_on
    assert parts == (("encoder", "decoder") if method == "mim" else ("encoder",))
    assert set(report.loaded) == {name for name in source if name.startswith(parts)}
    assert set(report.left_out) == set(source) - set(report.loaded)
    assert set(report.missing) == set(first) - set(report.loaded)
    for name in report.loaded:
        assert torch.equal(first[name], source[name]), name
    assert any(name.startswith("decoder") for name in report.missing) == (method != "mim")


@pytest.mark.parametrize("method", method_names())
def test_another_network_is_refused_in_words(
    runs: dict[str, Run], cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path, method: str
) -> None:
    recipe = segmentation(network={"channels": (3, 5)})
    with pytest.raises(CmrSspError, match="other sizes") as caught:
        jobs.finetune(cohort, recipe, Run(tmp_path / "run"), pretrained=runs[method], settings=banks)
    assert "network.channels" in caught.value.problems[0].remedy


def test_a_run_is_not_resumed_as_another_method(
    runs: dict[str, Run], cohort: Cohort, banks: jobs.JobSettings
) -> None:
    with pytest.raises(CmrSspError, match="method"):
        jobs.pretrain(cohort, pretraining("pcl"), runs["simclr"], settings=banks, resume=True)
