"""Tables of a synthetic experiment: layout, means, groups, notes and formats."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from cell_helpers import METHODS, TEST_VENDORS, record_of, write_cell, write_experiment
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import ScoreError
from cmr_ssp.evaluation import Score, SubjectRole, mean_dice, read_scores
from cmr_ssp.experiments.curves import label_curves, minute_curves
from cmr_ssp.experiments.published import PAPER_LABELS
from cmr_ssp.experiments.results import Results, number_range, read_results
from cmr_ssp.experiments.statistics import Spread, subject_dice
from cmr_ssp.experiments.table_formats import Table, as_csv, as_html, as_latex, as_markdown, shown
from cmr_ssp.experiments.tables import make_tables


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(write_experiment(tmp_path_factory.mktemp("experiment")))


@pytest.fixture(scope="module")
def tables(found: Results) -> Mapping[str, Table]:
    return {table.key: table for table in make_tables(found)}


def row_of(table: Table, *first: object) -> dict[str, object]:
    (row,) = (row for row in table.rows if row[: len(first)] == first)
    return dict(zip(table.columns, row, strict=True))


def scores_of(found: Results, *cells: str) -> list[tuple[Score, ...]]:
    return [read_scores(found.folder / "cells" / cell / "scores.csv") for cell in cells]


def test_every_table_is_there_in_the_order_of_the_paper(tables: Mapping[str, Table]) -> None:
    assert list(tables) == [
        "table-1-labelled-subjects",
        "table-2-phases",
        "table-3-vendors",
        "table-4-augmentation",
        "supplement-b-structures",
        "distances-and-failures",
        "volume-errors",
        "comparisons",
    ]
    assert all(len(row) == len(table.columns) for table in tables.values() for row in table.rows)


def test_table_1_is_mean_and_sample_sd_of_the_files(found: Results, tables: Mapping[str, Table]) -> None:
    table = tables["table-1-labelled-subjects"]
    control = "Scratch, as many updates in all as MIM"
    names = ("labelled subjects", "updates", "Scratch", control, "SimCLR", "PCL", "DINO", "MIM")
    assert table.columns == names
    assert [row[:2] for row in table.rows] == [("30", 300), ("10", 300), ("10", 1000), ("3", 300)]
    for method, name in zip(METHODS, ("Scratch", "SimCLR", "PCL", "DINO", "MIM"), strict=True):
        dice = [mean_dice(s) for s in scores_of(found, *(f"{method}-n10-s{seed}" for seed in range(3)))]
        cell = row_of(table, "10", 300)[name]
        assert isinstance(cell, Spread)
        assert (cell.mean, cell.sd, cell.n) == (
            pytest.approx(np.mean(dice)),
            pytest.approx(np.std(dice, ddof=1)),
            3,
        )
    alone = row_of(table, "10", 300)[control]
    assert isinstance(alone, Spread) and alone.sd is None
    assert row_of(table, "3", 300)[control] is None
    assert table.published is PAPER_LABELS


def test_notes_state_seeds_subjects_absent_structures_and_pretrainings(tables: Mapping[str, Table]) -> None:
    seeds, absent, pretrainings = tables["table-1-labelled-subjects"].notes
    assert "1 to 3 each" in seeds and "8 test subjects" in seeds and "one seed" in seeds
    assert "without a label in the reference enters no mean" in absent
    assert "Fewer than three pretrainings (DINO 1, MIM 1, PCL 1, SimCLR 1)" in pretrainings


def test_three_pretrainings_need_no_note(tmp_path: Path) -> None:
    for seed in range(3):
        write_cell(tmp_path, record_of(f"mim-s{seed}", "mim", seed, 5, parent=f"pretrain-{seed}"))
    (table, *_) = make_tables(read_results(tmp_path))
    assert not any("pretrainings" in note for note in table.notes)


def test_groups_are_phases_and_vendors_of_the_test_subjects(
    found: Results, tables: Mapping[str, Table]
) -> None:
    runs = scores_of(found, "mim-a-s0", "mim-a-s1")
    table = tables["table-3-vendors"]
    assert table.columns[-3:] == ("all vendors", "A", "B")
    row = row_of(table, "30", "300", "MIM", "A")
    for vendor in "AB":
        of_vendor = [[s for s in run if TEST_VENDORS[s.subject] == vendor] for run in runs]
        cell = row[vendor]
        assert isinstance(cell, Spread) and cell.mean == pytest.approx(
            np.mean([mean_dice(s) for s in of_vendor])
        )
    phases = row_of(tables["table-2-phases"], "30", "300", "Scratch", "ED")
    expected = [mean_dice(s, phases=[Phase.ES]) for s in scores_of(found, "scratch-ed-s0", "scratch-ed-s1")]
    cell = phases["ES"]
    assert isinstance(cell, Spread) and cell.mean == pytest.approx(np.mean(expected))
    used = [row[3] for row in tables["table-4-augmentation"].rows]
    assert used == ["yes", "no", "yes", "no"]
    structures = row_of(tables["supplement-b-structures"], "3", "300", "PCL")
    assert {"LV", "MYO ED", "RV ES", "A", "B"} <= structures.keys()


def test_comparisons_are_of_the_same_labels_and_corrected(tables: Mapping[str, Table]) -> None:
    table = tables["comparisons"]
    against = [(row[0], row[1], row[2], row[4]) for row in table.rows]
    assert ("10", "300", "MIM", "Scratch, as many updates in all as MIM") in against
    assert not any(row[2] == "PCL" and "as MIM" in str(row[4]) for row in table.rows)
    assert not any(str(row[2]).startswith("Scratch") for row in table.rows)
    row = row_of(table, "3", "300", "MIM")
    assert (row["seeds"], row["n"]) == (3, 8)
    assert row["effect"] == "+1.00" and row["p"] == "0.008"  # 2 / 2 ** 8
    assert row["p (Holm)"] == "0.148"  # 19 tests with the smallest possible p but one


def test_a_control_is_compared_with_its_own_seed(found: Results, tables: Mapping[str, Table]) -> None:
    """It has one training seed, MIM three; a mean over three seeds would be another training's."""
    against = "Scratch, as many updates in all as MIM"
    (row,) = (row for row in tables["comparisons"].rows if row[4] == against)
    own, other = (subject_dice([s]) for s in scores_of(found, "mim-n10-s0", "scratch-as-many-s0"))
    difference = np.mean([own[subject] - other[subject] for subject in own])
    assert row[5] == 1 and str(row[8]).startswith(f"{difference:+.3f} (")


def test_settings_that_differ_make_another_column(tmp_path: Path) -> None:
    for seed in range(2):
        write_cell(tmp_path, record_of(f"a{seed}", "scratch", seed, 5))
        other = ["optimiser.learning_rate=0.005"]
        write_cell(tmp_path, record_of(f"b{seed}", "scratch", seed, 5, settings=other))
    (table, *_) = make_tables(read_results(tmp_path))
    assert table.columns == ("labelled subjects", "Scratch", "Scratch (optimiser.learning_rate=0.005)")


def test_cells_of_another_split_are_not_mixed_in(tmp_path: Path) -> None:
    """A changed file adds cells to the folder and deletes none."""
    for method in ("scratch", "mim"):
        write_cell(tmp_path, record_of(f"{method}-old", method, 0, 5))
        write_cell(tmp_path, record_of(f"{method}-new", method, 0, 5, split={"test": 4, "seed": 1}))
    table, *_, tests = make_tables(read_results(tmp_path))
    assert len(table.columns) == 5 and "Scratch (split seed 1, test 4)" in table.columns
    pairs = [(str(row[2]), str(row[4])) for row in tests.rows]
    assert pairs == [(pair.replace("Scratch", "MIM"), pair) for _, pair in pairs] and len(pairs) == 2


def test_a_cell_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    """One whose length is stated has another id than the same one with the length of its preset."""
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_cell(tmp_path, record_of(name, "scratch", seed, 5))
    found = read_results(tmp_path)
    assert [[each.cell.id for each in group] for group in found.arms.values()] == [["a", "c"]]
    assert [problem.where for problem in found.problems] == ["b"]


def test_formats_have_the_same_cells() -> None:
    rows = (("10 & more", Spread(0.8712, 0.0039, 3), None), ("5", Spread(0.8, None, 1), 0.25))
    table = Table("key", "A_title", ("n", "MIM", "x|y"), rows, ("50 % of it.",), PAPER_LABELS)
    assert shown(rows[0][1]) == "0.871 ± 0.004"
    assert "| 10 & more | 0.871 ± 0.004 | n/a |" in as_markdown(table)
    assert "x\\|y" in as_markdown(table)
    latex = as_latex(table)
    assert r"10 \& more & 0.871 $\pm$ 0.004 & n/a \\" in latex
    assert r"\caption{A\_title}" in latex and r"50 \% of it." in latex and "paper-table-1" in latex
    read = list(csv.reader(io.StringIO(as_csv(table))))
    assert read[0] == ["n", "MIM", "MIM SD", "MIM n", "x|y"]
    assert read[1:] == [["10 & more", "0.87120", "0.00390", "3", "n/a"], ["5", "0.80000", "", "1", "0.250"]]
    assert "10 &amp; more" in as_html(table)


def test_published_figures_are_those_of_the_paper() -> None:
    row = row_of(PAPER_LABELS, "10")
    assert {name: shown(cell) for name, cell in row.items() if isinstance(cell, Spread)} == {
        "Scratch": "0.82 ± 0.009",
        "SimCLR": "0.80 ± 0.024",
        "PCL": "0.84 ± 0.009",
        "DINO": "0.74 ± 0.022",
        "MIM": "0.86 ± 0.007",
    }


def test_curves_have_a_point_for_every_seed(found: Results) -> None:
    (what, curves), *others = label_curves(found).items()
    assert what == "300 updates on labels" and not others
    assert {curve.name for curve in curves} == {"Scratch", "SimCLR", "PCL", "DINO", "MIM"}
    assert [len(group) for group in curves[0].groups] == [3, 3, 3]
    assert [x for x, _ in curves[0].means] == [3, 10, 30]
    ten = {curve.name: curve for curve in minute_curves(found)["10 labelled subjects"]}
    assert [len(group) for group in ten["Scratch"].groups] == [3, 1, 2]  # the control, too
    assert min(x for group in ten["MIM"].groups for x, _ in group) == pytest.approx(11)  # pretraining 10


def test_unfinished_and_damaged_cells_are_named_and_left_out(tmp_path: Path) -> None:
    write_cell(tmp_path, record_of("good", "scratch", 0, 5))
    write_cell(tmp_path, record_of("stopped", "scratch", 1, 5, outcome="failed"))
    write_cell(tmp_path, record_of("damaged", "scratch", 2, 5))
    (tmp_path / "cells" / "damaged" / "cell.json").write_text("{")
    write_cell(tmp_path, record_of("scoreless", "scratch", 3, 5))
    (tmp_path / "cells" / "scoreless" / "scores.csv").unlink()
    pool = Score("a", Phase.ED, Structure.LV, 0.9, SubjectRole.POOL)
    write_cell(tmp_path, record_of("untested", "scratch", 4, 5), [pool])
    found = read_results(tmp_path)
    assert [each.cell.id for group in found.arms.values() for each in group] == ["good"]
    said = " ".join(map(str, found.problems))
    assert all(name in said for name in ("stopped", "damaged", "scoreless", "untested"))


def test_an_experiment_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="no cell of it has scores"):
        read_results(tmp_path)


def test_a_range_of_no_numbers_is_said() -> None:
    assert [number_range(each) for each in ([], [3], [3, 2, 3])] == ["no", "3", "2 to 3"]
