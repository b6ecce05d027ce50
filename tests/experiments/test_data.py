"""The data of an experiment: unlabelled cohorts, vendors in the test, and the shipped phantoms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cmr_ssp.cli import main
from cmr_ssp.errors import CohortError
from cmr_ssp.experiments.data import open_data
from cmr_ssp.experiments.file import experiment_text
from cmr_ssp.subjects import Role
from cohort_helpers import write_beating_cohort


def test_unlabelled_data_is_for_pretraining_only_even_if_it_has_labels(tmp_path: Path) -> None:
    folders = {
        "hearts": write_beating_cohort(tmp_path / "hearts", list("abcdef")),
        "more": write_beating_cohort(tmp_path / "more", ["u", "v"]),
    }
    data = open_data(("hearts", "more"), {"test": 2}, folders)
    assert {s.id for s in data.everyone} == set("abcdefuv")
    assert data.split.role("u") is data.split.role("v") is Role.TRAIN
    assert not data.everyone.subject("u").labels
    assert len(data.test) == 2 and len(data.pool) == 4 and {s.vendor for s in data.test} == {"A", "B"}


def test_ids_in_two_data_sets_are_all_named(tmp_path: Path) -> None:
    folders = {name: write_beating_cohort(tmp_path / name, ["a", "b", name]) for name in ("one", "two")}
    with pytest.raises(CohortError) as caught:
        open_data(("one", "two"), {"test": 1, "by": "group"}, folders)
    assert [problem.where for problem in caught.value.problems] == ["two", "two"]


@pytest.mark.parametrize(("test", "said"), [(1, "no test subject is from"), (4, "set apart")])
def test_a_split_that_cannot_be_drawn_is_refused(tmp_path: Path, test: int, said: str) -> None:
    folder = write_beating_cohort(tmp_path / "hearts", list("abcd"))
    with pytest.raises(CohortError, match=said):
        open_data(("hearts",), {"test": test}, {"hearts": folder})


def test_both_vendors_of_real_data_are_tested(real_data: Path) -> None:
    names = {"mnms": "mnms_vendors", "acdc_cines": "acdc_cines", "sunnybrook": "sunnybrook"}
    folders = {name: real_data / folder for name, folder in names.items()}
    data = open_data(tuple(names), {"test": 20}, folders)
    assert sorted(subject.vendor or "" for subject in data.test) == ["Philips"] * 10 + ["Siemens"] * 10
    assert len(data.pool) == 60 and len(data.everyone) == 132


def test_the_shipped_phantoms_run_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = experiment_text("phantom").replace("subjects: 12", "subjects: 8")
    file, out = tmp_path / "short.yaml", tmp_path / "out"
    file.write_text(text.replace("[150]", "[2]").replace("[2, 4]", "[2]").replace("updates=400", "updates=2"))
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main(["experiment", "run", str(file), "--out", str(out), "--device", "cpu", "--json"])
        assert ended.value.code == 0
        found = json.loads(capsys.readouterr().out)["result"]
        assert len(found["done"]) == 7 and not found["failed"] and not found["waiting"]
    assert len(list(out.glob("cells/*/scores.csv"))) == 6
    with pytest.raises(SystemExit):
        main(["experiment", "plan", str(file), "--out", str(out), "--device", "cpu"])
    assert "7 cells, 7 done" in capsys.readouterr().out


def test_an_experiment_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["experiment", "show", "paper"])
    assert ended.value.code == 0 and "published: true" in capsys.readouterr().out
