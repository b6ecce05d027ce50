"""Repetitions of a cine, their coefficient of variation and the command."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp import jobs
from cmr_ssp.anatomy import Structure
from cmr_ssp.cli import main
from cmr_ssp.events import Cancel, Outcome
from cmr_ssp.files import open_cine, open_cohort
from cmr_ssp.function.repeatability import (
    Repeatability,
    Repetition,
    pooled_cv_percent,
    pooled_ef_sd,
    repeatability_csv,
)
from cmr_ssp.jobs import repeatability
from cmr_ssp.prediction.segment import SegmentedStack
from cmr_ssp.runs import Run, stored_function
from cmr_ssp.subjects import Role, Split
from cohort_helpers import segmentation, write_beating_cohort

SPLIT = Split({"a": Role.TRAIN, "b": Role.TEST})


def test_variation_by_hand() -> None:
    two = Repeatability("a", (Repetition("unchanged", 100.0, 40.0), Repetition("noise 1", 110.0, 55.0)))
    assert two.cv_percent == pytest.approx(100 * np.std([60, 50], ddof=1) / 55)
    assert two.edv_cv_percent == pytest.approx(100 * np.std([100, 110], ddof=1) / 105)
    failed = Repeatability("b", (*two.repetitions, Repetition("noise 2", None, None)))
    assert failed.cv_percent is None and "1 of 3 repetitions gave no EF" in failed.sentence
    assert pooled_cv_percent([two, failed]) == two.cv_percent and pooled_cv_percent([failed]) is None
    assert pooled_ef_sd([two, failed]) == pytest.approx(np.std([60, 50], ddof=1))
    assert repeatability_csv([failed]).splitlines()[-1] == "b,noise 2,n/a,n/a,n/a"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    cohort = open_cohort(write_beating_cohort(tmp_path / "cohort", "ab"))
    run = Run(tmp_path / "run")
    settings = jobs.JobSettings("cpu")
    jobs.finetune(cohort, segmentation(method="scratch"), run, split=SPLIT, settings=settings)
    return run


def by_brightness(_: object, pixels: np.ndarray, *__: object, **___: object) -> SegmentedStack:
    """Stand for a trained network: the cavity is what is brightest."""
    labels = np.where(pixels > 195, Structure.LV, 0).astype(np.uint8)
    return SegmentedStack(labels, True, np.zeros((*labels.shape[:2], 3, 2), np.float32))


def test_versions_of_a_cine_give_nearly_the_same_volumes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(repeatability, "segment_stack", by_brightness)
    table = tmp_path / "repetitions.csv"
    cine = str(tmp_path / "cohort" / "a.nii.gz")
    command = ["repeatability", str(run.folder), cine, "--cohort", str(tmp_path / "cohort")]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*command, "--csv", str(table), "--snr", "100", "--device", "cpu"])
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["subject"] for row in rows] == ["a.nii.gz"] * 9 + ["b"] * 9  # the test subject only
    for cine_rows in (rows[:9], rows[9:]):
        edv = [float(row["edv_ml"]) for row in cine_rows]
        # Millilitres, whatever grid a version has; hearts are 12 pixels wide.
        assert max(edv) < 1.3 * min(edv)
        assert len({row["ef_percent"] for row in cine_rows}) > 3
    shown = capsys.readouterr().out
    assert "coefficient of variation of EF, 2 cines" in shown and "aim: at most 4.2 %" in shown


def test_a_cine_without_a_cavity_or_with_one_frame_is_named(run: Run, tmp_path: Path) -> None:
    cine = open_cine(tmp_path / "cohort" / "a.nii.gz")
    frame = open_cine(tmp_path / "cohort" / "a_ED_gt.nii.gz")
    with pytest.raises(Exception, match="only: has a single frame") as caught:
        jobs.repeat(run, {"only": frame, "cine": cine}, device="cpu")
    assert len(caught.value.problems) in (1, 2)  # a network of two updates may find no cavity
    cancel = Cancel()
    cancel.request()
    assert jobs.repeat(run, {"cine": cine}, device="cpu", cancel=cancel).outcome is Outcome.STOPPED


def test_evaluating_saves_volumes_beside_the_references(run: Run, tmp_path: Path) -> None:
    cohort = open_cohort(tmp_path / "cohort")
    found = jobs.evaluate(run, cohort, device="cpu")
    stored = stored_function(run)
    assert [(row.subject, row.quantity) for row in stored] == sorted(
        (row.subject, row.quantity) for row in found.function
    )
    assert len(stored) == 2 * 9 and {row.role.value for row in stored} == {"trained on", "test"}
    assert {row.vendor for row in stored} == {"A", "B"}
    assert {row.metadata for row in stored if row.subject == "b"} == {
        score.metadata for score in found.scores if score.subject == "b"
    }
