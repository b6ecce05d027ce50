"""Comparing volumes and EF with references, and their agreement over a cohort."""

from __future__ import annotations

import csv
import io
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.cli import main
from cmr_ssp.errors import ScoreError
from cmr_ssp.evaluation import ResultMetadata, SubjectRole
from cmr_ssp.function.agreement import Agreement, agreement_csv, agreements, read_values, values_of
from cmr_ssp.function.comparing import (
    Comparison,
    Conditions,
    Quantity,
    compare_function,
    comparisons_csv,
    quantities,
    read_comparisons,
)
from cmr_ssp.runs import Run, store_function
from cmr_ssp.subjects import Segmentation

SPACING_MM = (10.0, 2.0, 1.0)  # 0.02 ml per voxel
KNOWN = ResultMetadata.of(SPACING_MM, "c" * 64, "r" * 64, "p" * 64)
ACQUIRED = Conditions("Siemens", SPACING_MM, 62.5)


def volume(lv: int, myo: int, rv: int = 0) -> np.ndarray:
    """Return rows of 100 voxels: those of the LV between those of its wall, as far as there are enough."""
    cavity, wall = [Structure.LV] * (lv // 100), [Structure.MYO] * (myo // 100)
    rows = [row for pair in zip_longest(wall, cavity) for row in pair if row] + [Structure.RV] * (rv // 100)
    labels = np.zeros((200, 100), np.uint8)
    labels[: len(rows)] = np.array(rows, np.uint8)[:, None]
    return labels.reshape(2, 100, 100)


def test_quantities_by_hand_and_only_of_what_is_labelled() -> None:
    drawn = {Phase.ED: Segmentation.of(volume(5000, 4000), 0), Phase.ES: Segmentation.of(volume(2000, 0), 7)}
    assert quantities(drawn, SPACING_MM) == pytest.approx(
        {
            Quantity.LV_EDV: 100,
            Quantity.LV_ESV: 40,
            Quantity.LV_SV: 60,
            Quantity.LV_EF: 60,
            Quantity.LV_MASS: 84,
        }
    )
    del drawn[Phase.ED]
    assert quantities(drawn, SPACING_MM) == pytest.approx({Quantity.LV_ESV: 40})


def test_a_missed_structure_is_compared_and_an_undrawn_one_is_not(tmp_path: Path) -> None:
    references = {
        Phase.ED: Segmentation.of(volume(5000, 4000), 0),
        Phase.ES: Segmentation.of(volume(2000, 0), 7),
    }
    predicted = {Phase.ED: volume(0, 4200, 900), Phase.ES: volume(1900, 4000, 500)}
    rows = compare_function(predicted, references, "a", SubjectRole.TEST, ACQUIRED, KNOWN)
    found = {row.quantity: row.predicted for row in rows}
    assert found[Quantity.LV_EDV] == 0 and found[Quantity.LV_EF] is None
    assert found[Quantity.LV_MASS] == pytest.approx(88.2)
    assert not any(quantity.startswith("RV") for quantity in found)

    path = tmp_path / "function.csv"
    path.write_text(comparisons_csv(rows))
    assert read_comparisons(path) == tuple(rows)  # the values have no more than three decimals
    assert read_comparisons(path)[0].conditions == ACQUIRED
    for damage in (("LV EDV,mL", "LV EDV,g"), ("LV EDV", "LV EDF"), (",test", ",friend"), ("100.000", "nan")):
        path.write_text(comparisons_csv(rows).replace(*damage))
        with pytest.raises(ScoreError, match=r"function\.csv"):
            read_comparisons(path)


def example() -> Agreement:
    found, reference = np.array([52.0, 61.0, 40.0, 70.0]), np.array([50.0, 60.0, 42.0, 65.0])
    return Agreement(Quantity.LV_EF, tuple("abcd"), found, reference)


def test_bias_limits_and_correlations_by_hand() -> None:
    row = example()
    assert row.bias == pytest.approx(1.5) and row.mean_absolute == pytest.approx(2.5)
    assert row.sd == pytest.approx(np.std([2, 1, -2, 5], ddof=1))
    assert row.limits == pytest.approx((1.5 - 1.96 * row.sd, 1.5 + 1.96 * row.sd))
    assert row.r == pytest.approx(392.25 / np.sqrt(492.75 * 316.75))
    # two-way analysis of variance
    pairs = np.stack([row.found, row.reference], axis=1)
    total = ((pairs - pairs.mean()) ** 2).sum()
    between, methods = 2 * pairs.mean(axis=1).var() * 4, 4 * pairs.mean(axis=0).var() * 2
    rest = (total - between - methods) / 3
    expected = (between / 3 - rest) / (between / 3 + rest + 2 / 4 * (methods - rest))
    assert row.icc == pytest.approx(expected)
    assert row.sentence.startswith("LV EF in 4 subjects: bias +1.5 %, limits of agreement")


def test_few_subjects_have_no_correlation() -> None:
    one = Agreement(Quantity.LV_EDV, ("a",), np.array([100.0]), np.array([90.0]))
    assert (one.bias, one.sd, one.limits, one.r, one.icc) == (10, None, None, None, None)
    assert agreement_csv([one]).splitlines()[1] == "LV EDV,mL,1,10.000,,,,10.000,,"
    same = Agreement(Quantity.LV_EDV, tuple("abc"), np.full(3, 100.0), np.full(3, 100.0))
    assert same.r is None and same.icc is None


def comparisons() -> list[Comparison]:
    row = example()
    return [
        Comparison(s, row.quantity, float(f), float(r), SubjectRole.TEST if s < "d" else SubjectRole.POOL)
        for s, f, r in zip(row.subjects, row.found, row.reference, strict=True)
    ] + [Comparison("e", Quantity.LV_EF, None, 55, SubjectRole.TEST)]


def test_only_pairs_count() -> None:
    (row,) = agreements(*values_of(comparisons()))
    assert row.subjects == tuple("abcd") and row.bias == pytest.approx(1.5)


def test_tables_of_values_are_read_in_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_text(
        "subject,structure,quantity,unit,value\na,LV,EF,%,61.5\na,MYO,mass,g,90\na,RV,EDV,mL,n/a\n"
    )
    assert read_values(path) == {("a", Quantity.LV_EF): 61.5, ("a", Quantity.LV_MASS): 90}
    path.write_text("\ufeffsubject,quantity,value\na,LV EF,61.5\na,GLS,-18\n", encoding="utf-8")
    assert read_values(path) == {("a", Quantity.LV_EF): 61.5}
    for text, what in (
        ("subject,value\na,1\n", "no column quantity"),
        ("subject,quantity,value\na,GLS,1\n", "none of LV EDV"),
        ("subject,quantity,value\na,LV EF,1\na,LV EF,2\n", "twice"),
        ("subject,quantity,unit,value\na,LV EF,mL,1\n", "not in %"),
        ("subject,quantity,value\na,LV EF,good\n", "good"),
        ("subject,quantity,value\na\n", "table of values"),
    ):
        path.write_text(text)
        with pytest.raises(ScoreError, match=rf"values\.csv.*{what}"):
            read_values(path)


def test_the_command_compares_a_run_and_tables_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, table = Run(tmp_path / "run"), tmp_path / "agreement.csv"
    store_function(run, comparisons())
    command = ["agreement", str(run.folder), "--csv", str(table), "--plots", str(tmp_path / "plots")]
    with pytest.raises(SystemExit, match=r"^0$"):
        main(command)
    assert "LV EF" in capsys.readouterr().out
    (row,) = csv.DictReader(io.StringIO(table.read_text()))
    assert (row["n"], row["quantity"]) == ("3", "LV EF")  # the pool subject is left out
    assert (tmp_path / "plots" / "agreement-LV-EF.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*command, "--subjects", "unseen"])
    assert next(csv.DictReader(io.StringIO(table.read_text())))["n"] == "4"

    values = tmp_path / "values.csv"
    values.write_text("subject,quantity,value\na,LV EF,40\nz,LV EF,40\n")
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["agreement", str(run.folder), str(values), "--csv", str(table)])
    assert next(csv.DictReader(io.StringIO(table.read_text())))["bias"] == "12.000"
    with pytest.raises(SystemExit, match=r"^1$"):
        main(["agreement", str(values)])
    with pytest.raises(SystemExit, match=r"^1$"):
        main(["agreement", str(tmp_path / "run"), "--checkpoint", "best"])
    assert "evaluate" in capsys.readouterr().err


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from cmr_ssp.errors import OutputError
    from cmr_ssp.reports.agreement_plots import write_agreement_plot

    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(OutputError, match=r"pip install .*\[report\]"):
        write_agreement_plot(example(), tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())
