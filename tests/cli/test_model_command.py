"""``cmr-ssp model``: a model goes from one machine to another as one file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cmr_ssp import jobs
from cmr_ssp.cli import main
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run
from cohort_helpers import segmentation, write_beating_cohort


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sender")
    cohort = open_cohort(write_beating_cohort(place / "cohort", "abcdef"))
    settings = jobs.JobSettings("cpu", bank_folder=place / "banks")
    recipe, budget = segmentation(method="scratch"), jobs.LabelBudget(2)
    jobs.finetune(cohort, recipe, Run(place / "tuned"), budget=budget, settings=settings)
    jobs.evaluate(Run(place / "tuned"), cohort, device="cpu")
    return place / "tuned"


def call(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json"])
    assert (ended.value.code or 0) == code
    said: dict[str, object] = json.loads(capsys.readouterr().out)
    return said


def test_a_model_is_exported_listed_shown_and_imported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "tuned.zip"
    stated = ("--origin", "clinic B", "--data-licence", "CC BY 4.0")
    written = call(capsys, "model", "export", run, "-o", bundle, *stated)["result"]
    (tmp_path / "other.zip").write_bytes(b"no bundle")
    listed = call(capsys, "model", "list", tmp_path)
    ((only,), (problem,)) = listed["result"]["models"], listed["problems"]
    shown = call(capsys, "model", "show", bundle)["result"]["card"]
    assert only["card"] == shown == written["card"] and only["file"] == str(bundle)
    assert "other.zip" in problem["where"]
    assert (shown["scores"]["origin"], shown["model"]["licence"]) == ("clinic B", "CC BY 4.0")
    for is_new in (True, False):
        found = call(capsys, "model", "import", bundle, "--to", tmp_path / "runs")["result"]
        assert found == {"run": str(tmp_path / "runs" / "tuned"), "new": is_new}


def test_what_is_for_people_fits_on_a_screen(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for words in (
        ("export", run, "-o", tmp_path / "m.zip"),
        ("list", tmp_path),
        ("show", tmp_path / "m.zip"),
    ):
        with pytest.raises(SystemExit, match=r"^0$"):
            main(["model", *map(str, words)])
    said = capsys.readouterr().out
    for text in ("Research use only", "m.zip", "scratch", "labelled_subjects: 2", "not stated"):
        assert text in said


def test_what_is_no_bundle_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.zip").write_bytes(b"nothing")
    for words in (
        ("show", tmp_path / "x.zip"),
        ("list", tmp_path / "none"),
        ("export", tmp_path, "-o", "a.zip"),
    ):
        (problem,) = call(capsys, "model", *words, code=1)["problems"]
        assert problem["what"] and problem["remedy"]
