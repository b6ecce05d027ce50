"""An experiment on tiny phantoms: scores and records, shared pretraining, resuming, failures, weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cmr_ssp.errors import CohortError, OutputError
from cmr_ssp.evaluation import SubjectRole, read_scores
from cmr_ssp.events import Cancel, Event, Outcome, UpdateFinished
from cmr_ssp.experiments import running, running_cell
from cmr_ssp.experiments.cell_work import InTurn
from cmr_ssp.experiments.cells import Cell, cells_of
from cmr_ssp.experiments.file import ExperimentFile, parse_experiment
from cmr_ssp.experiments.records import CellFolder
from cmr_ssp.experiments.running import Finished, run_experiment
from cohort_helpers import write_beating_cohort
from kill_helpers import killed_after
from tiny_experiment import SMALL, results, tiny

_HEARTS: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the cohort that the experiments share."""
    _HEARTS.append(write_beating_cohort(tmp_path_factory.mktemp("hearts") / "cohort", list("abcdef")))
    return _HEARTS[-1]


NO_CELL = InTurn(on_cell=lambda cell, *_: pytest.fail(cell.id))
"""Fails if a cell begins."""


def run(folder: Path, experiment: ExperimentFile | None = None, **options: Any) -> Finished:
    data = {"labelled": _HEARTS[-1]}
    return run_experiment(experiment or tiny(), folder, data, device="cpu", **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Path]:
    """Run the experiment once, undisturbed."""
    folder = tmp_path_factory.mktemp("experiments") / "whole"
    ended = run(folder)
    assert not ended.problems and not ended.waiting and len(ended.done) == 5
    yield folder


def record(folder: Path, cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CellFolder(folder, cell.id).record.read_text())
    return found


def test_every_cell_has_scores_of_the_locked_test_subjects_and_a_record(finished: Path) -> None:
    test = yaml.safe_load((finished / "split.yaml").read_text())["test"]
    vendors = set()
    for cell in cells_of(tiny()):
        known = record(finished, cell)
        assert known["outcome"] == Outcome.FINISHED and known["seconds"] > 0 and known["recipe"]
        assert known["subjects"]["test"] == test and not set(known["subjects"]["training"]) & set(test)
        vendors |= set(known["test_vendors"].values())
        if cell.kind == "finetune":
            scores = read_scores(CellFolder(finished, cell.id).scores)
            assert {score.subject for score in scores} == set(test)
            assert {score.role for score in scores} == {SubjectRole.TEST}
        assert (CellFolder(finished, cell.id).folder / "history.csv").is_file()
    assert vendors == {"A", "B"}
    assert (finished / "experiment.yaml").read_text() == tiny().text
    packages = (finished / "environment.txt").read_text().splitlines()
    assert f"numpy=={np.__version__}" in packages and not [line for line in packages if "/" in line]


def test_the_control_is_as_long_as_pretraining_and_training_together(finished: Path) -> None:
    (control,) = [cell for cell in cells_of(tiny()) if cell.control == "updates"]
    assert record(finished, control)["updates"] == 8
    (control,) = [cell for cell in cells_of(tiny()) if cell.control == "minutes"]
    assert record(finished, control)["updates"] >= 1


def test_finished_cells_are_not_computed_again_even_without_weights(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run(finished, execute=NO_CELL)
    assert len(ended.done) == 5
    assert not list(finished.glob("runs/*/best.safetensors"))
    run(
        finished,
        keep_weights="none",
        execute=NO_CELL,
    )
    assert not list((finished / "runs").glob("*"))
    assert len(run(finished, execute=NO_CELL).done) == 5


def test_a_changed_file_adds_cells_and_pretrains_again_only_for_their_sake(finished: Path) -> None:
    for number, seeds in enumerate(([0], [0, 1]), start=1):
        begun: list[str] = []
        more = tiny(seeds={"training": seeds}, controls=[])
        listen = InTurn(on_cell=lambda cell, *_: begun.append(cell.id))  # noqa: B023
        run(finished, more, keep_weights="none", execute=listen)
        kinds = [name.split("-")[0] for name in begun]
        assert kinds == ([] if number == 1 else ["pretrain", "scratch", "mim"])


@pytest.mark.parametrize("at", [2, 7, 13])
def test_a_stopped_experiment_goes_on_to_the_same_scores(finished: Path, tmp_path: Path, at: int) -> None:
    cancel, seen = Cancel(), []

    def stop(event: Event) -> None:
        if isinstance(event, UpdateFinished):
            seen.append(event)
            if len(seen) == at:
                cancel.request()

    ended = run(tmp_path / "out", execute=InTurn(stop), cancel=cancel)
    assert ended.stopped and ended.waiting and not ended.failed
    assert not run(tmp_path / "out").waiting
    whole = {name: text for name, text in results(finished).items() if name in results(tmp_path / "out")}
    assert results(tmp_path / "out") == whole and len(whole) == 3


def test_a_killed_process_goes_on_to_the_same_scores(tmp_path: Path) -> None:
    experiment = tiny(controls=[], pretraining_settings=[*SMALL, "updates=60"])
    (tmp_path / "file.yaml").write_text(experiment.text)
    run(tmp_path / "whole", experiment)
    pretraining = CellFolder(tmp_path / "out", cells_of(experiment)[0].id)
    data = f"labelled={_HEARTS[-1]}"
    command = ["experiment", "run", str(tmp_path / "file.yaml"), "--out", str(tmp_path / "out")]
    command += ["--data", data, "--device", "cpu"]
    assert killed_after(pretraining.run, 1, command, 1, 0.0)
    assert pretraining.read()["outcome"] == "running" and pretraining.read()["seconds"] > 0
    assert not run(tmp_path / "out", experiment).waiting
    assert results(tmp_path / "out") == results(tmp_path / "whole") != {}


def test_a_failed_cell_does_not_stop_the_others_and_is_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = running_cell.pretrain

    def fail(*args: Any, **options: Any) -> Outcome:
        raise CohortError.of("somewhere", "the disk is full", "Free some.")

    monkeypatch.setattr(running_cell, "pretrain", fail)
    ended = run(tmp_path / "out")
    (failed,) = ended.failed
    assert failed.startswith("pretrain") and len(ended.done) == 1 and len(ended.waiting) == 3
    kept = json.loads(CellFolder(tmp_path / "out", failed).record.read_text())
    assert kept["outcome"] == Outcome.FAILED and "the disk is full" in kept["problems"][0]
    monkeypatch.setattr(running_cell, "pretrain", trained)
    assert len(run(tmp_path / "out").done) == 5


def test_other_data_and_other_folders_are_refused(finished: Path, tmp_path: Path) -> None:
    other = tiny().model_copy(update={"split": tiny().split.model_copy(update={"seed": 3})})
    with pytest.raises(OutputError, match="another split"):
        run(finished, other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(OutputError, match="not the folder of an experiment"):
        run(tmp_path / "mine")


def test_missing_data_are_all_named(tmp_path: Path) -> None:
    text = yaml.safe_dump(
        {
            "labelled": "mnms",
            "unlabelled": ["acdc"],
            "split": {"test": 2},
            "grids": [{"methods": ["scratch"], "preset": "demo", "subjects": [1]}],
        }
    )
    with pytest.raises(CohortError) as caught:
        run(tmp_path / "out", parse_experiment(text, "file"))
    assert [problem.where for problem in caught.value.problems] == ["mnms", "acdc"]


def test_a_second_process_waits(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cmr_ssp.locking import holding

    monkeypatch.setattr(running, "_PATIENCE_S", 0.01)
    lock = holding(finished / ".lock", OutputError.of("x", "y", "z"), 1)
    with lock, pytest.raises(OutputError, match="another process runs this experiment"):
        run(finished)
