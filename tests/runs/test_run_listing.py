"""The list of runs: its content, robustness to damaged runs, and speed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CmrSspError
from cmr_ssp.evaluation import mean_dice
from cmr_ssp.events import Cancel, UpdateFinished
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run, RunSummary, list_runs, listing
from cmr_ssp.subjects import Cohort, Role, Split
from cohort_helpers import mim, segmentation, write_beating_cohort

SPLIT = Split({"a": Role.TRAIN, "b": Role.TRAIN, "c": Role.TEST})
CPU = jobs.JobSettings("cpu")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abc"))


@pytest.fixture(scope="module")
def made(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a pretraining, an evaluated fine-tuning from it, a stopped one, and a failed one."""
    folder = tmp_path_factory.mktemp("runs")
    source = Run(folder / "mim")
    jobs.pretrain(cohort, mim(), source, split=SPLIT, settings=CPU)
    tuned = Run(folder / "later" / "tuned")
    budget = jobs.LabelBudget({"a": [Phase.ED], "b": [Phase.ED, Phase.ES]})
    jobs.finetune(cohort, segmentation(), tuned, pretrained=source, budget=budget, settings=CPU)
    jobs.evaluate(tuned, cohort, device="cpu")
    cancel = Cancel()
    recipe = segmentation(method="scratch", updates=None, epochs=50, checkpoint_every=2)
    jobs.finetune(
        cohort,
        recipe,
        Run(folder / "stopped"),
        split=SPLIT,
        settings=CPU,
        on_event=lambda e: cancel.request() if isinstance(e, UpdateFinished) and e.update == 7 else None,
        cancel=cancel,
    )
    with pytest.raises(CmrSspError):
        jobs.finetune(cohort, None, Run(folder / "failed"), split=SPLIT, settings=CPU)
    return folder


def by_name(folder: Path) -> dict[str, RunSummary]:
    return {run.name: run for run in list_runs(folder)}


def test_runs_are_listed_and_their_records_read_without_torch(made: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from pathlib import Path; "
    code += "from cmr_ssp.runs import Run, list_runs, read_records; "
    code += f"runs = list_runs(Path({str(made)!r})); print(*sorted(run.update for run in runs)); "
    code += f"read_records(Run(Path({str(made / 'mim')!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["0", "2", "2", "7"], "")


def test_each_run_is_described(made: Path, cohort: Cohort) -> None:
    found = by_name(made)
    assert set(found) == {"mim", "tuned", "stopped", "failed"}
    assert found["tuned"].folder == made / "later" / "tuned"
    about = {n: (r.method, r.state, r.update, r.updates, r.pretrained_from) for n, r in found.items()}
    assert about == {
        "mim": ("mim", "finished", 2, 2, None),
        "tuned": ("finetune", "finished", 2, 2, "mim"),
        "stopped": ("scratch", "stopped", 7, None, None),
        "failed": ("", "failed", 0, None, None),
    }
    assert found["tuned"].labelled == {"a": ("ED",), "b": ("ED", "ES")}
    assert found["stopped"].labelled == {"a": ("ED", "ES"), "b": ("ED", "ES")}
    assert (found["mim"].labelled, found["failed"].labelled) == ({}, {})
    assert "has no recipe" in found["failed"].problems[0]
    assert found["mim"].problems == ()
    expected = mean_dice(jobs.evaluate(Run(found["tuned"].folder), cohort, device="cpu").reported)
    assert found["tuned"].mean_test_dice == pytest.approx(expected, abs=1e-4)
    assert found["stopped"].mean_test_dice is None


def test_newest_first(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "runs")
    hours = {"stopped": 3, "later/tuned": 1, "mim": 2, "failed": 4}
    for name, ago in hours.items():
        for path in (folder / name).iterdir():
            os.utime(path, (1e9 - 3600 * ago,) * 2)
    found = list_runs(folder)
    assert [run.name for run in found] == ["tuned", "mim", "stopped", "failed"]
    assert found[0].modified == datetime.fromtimestamp(1e9 - 3600, UTC)


def test_a_source_that_was_trained_on_is_none_any_more(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "runs")
    assert by_name(folder)["tuned"].pretrained_from == "mim"
    shutil.copy(folder / "mim" / "last.safetensors", tmp_path / "kept")
    shutil.copy(folder / "mim" / "best.safetensors", folder / "mim" / "last.safetensors")
    with (folder / "mim" / "last.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")  # other weights, same size and header
    assert by_name(folder)["tuned"].pretrained_from is None
    shutil.rmtree(folder / "mim")
    assert by_name(folder)["tuned"].pretrained_from is None


def test_what_is_no_run_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "scored").mkdir()
    (tmp_path / "scored" / "scores.csv").write_text("subject,phase,structure,dice,role\n")
    (tmp_path / "deep" / "deeper" / "deepest").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "deepest" / "state.json").write_text("{}")
    assert list_runs(tmp_path) == ()
    assert list_runs(tmp_path / "missing") == ()
    assert list_runs(tmp_path / "file.txt") == ()


@pytest.mark.parametrize("name", ["last.safetensors", "state.json", "history.csv", "scores.csv"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\xfe\x00garbage\n1\n", b'{"state": "odd", "problems": 3}']
)
def test_a_damaged_run_is_listed_as_such(made: Path, tmp_path: Path, name: str, content: bytes) -> None:
    folder = shutil.copytree(made, tmp_path / "runs")
    (folder / "later" / "tuned" / name).write_bytes(content)
    found = by_name(folder)
    assert found["tuned"].state == "damaged"
    assert name in found["tuned"].problems[0]
    assert found["tuned"].method == "finetune"
    assert {run.state for n, run in found.items() if n != "tuned"} == {"finished", "stopped", "failed"}


def test_a_truncated_checkpoint_is_damage(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "runs")
    path = folder / "mim" / "last.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    assert by_name(folder)["mim"].state == "damaged"


def test_a_row_that_is_being_written_is_no_damage(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "runs")
    run = Run(folder / "stopped")
    with run.history.open("a") as file:
        file.write("4,8,0.0")
    assert by_name(folder)["stopped"].state == "stopped"


def test_a_hundred_runs_take_a_fraction_of_a_second(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        shutil.copytree(made / "mim", tmp_path / f"mim-{number}")
        shutil.copytree(made / "later" / "tuned", tmp_path / f"tuned-{number}")
    list_runs(made)
    began = time.perf_counter()
    found = list_runs(tmp_path)
    seconds = time.perf_counter() - began
    assert len(found) == 100
    assert seconds < 1
    digested = []
    monkeypatch.setattr(listing, "file_digest", digested.append)
    assert list_runs(tmp_path) == found
    assert digested == []
