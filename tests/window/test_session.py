"""Session and tables without a window: ticks, draws and scores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, SubjectRole
from cmr_ssp.files import open_cohort
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.subjects.split import draw_subjects
from cohort_helpers import ED, ES, FRAMES, ROWS, SLICES, write_beating_cohort
from qtpy.QtCore import Qt

from napari_cmr_ssp.panels.data.subject_table import SubjectTable
from napari_cmr_ssp.panels.runs.score_table import ScoreTable
from napari_cmr_ssp.scene.exams import read_exam
from napari_cmr_ssp.session import Session

IDS = "abcdefgh"
UNLABELLED = "h"
CHECK = Qt.ItemDataRole.CheckStateRole
ED_COLUMN, ES_COLUMN = 4, 5


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = write_beating_cohort(tmp_path_factory.mktemp("cohort"), IDS, labelled=IDS[:-1])
    return open_cohort(folder)


@pytest.fixture
def session(cohort: Cohort) -> Iterator[Session]:
    session = Session()
    session.open(cohort)
    session.use_split(
        Split(dict.fromkeys("abcde" + UNLABELLED, Role.TRAIN) | {"f": Role.TEST, "g": Role.TEST})
    )
    yield session


def test_a_new_cohort_gets_a_split_and_no_ticks(cohort: Cohort) -> None:
    session = Session()
    told: list[object] = []
    session.events.cohort.connect(told.append)
    session.open(cohort)
    assert told == [cohort]
    assert len(session.split.ids(Role.TEST)) == 2  # a quarter of seven
    assert session.ticks == {}


def test_only_labels_of_training_subjects_can_be_ticked(session: Session) -> None:
    for subject_id in ("a", "f", UNLABELLED):
        session.tick(subject_id, Phase.ES, on=True)
    assert session.ticks == {"a": frozenset({Phase.ES})}
    session.tick("a", Phase.ES, on=False)
    assert session.ticks == {}


def test_drawing_is_that_of_the_command_line_and_draws_nest(session: Session) -> None:
    session.tick_drawn(2, seed=3)
    small = set(session.ticks)
    assert small == set(draw_subjects("abcde", 2, 3))
    session.tick_drawn(4, seed=3, phases=[Phase.ED])
    assert small < set(session.ticks)
    assert set(session.ticks.values()) == {frozenset({Phase.ED})}


def test_a_subject_that_becomes_a_test_subject_loses_its_ticks(session: Session) -> None:
    session.tick_drawn(5, seed=0)
    session.set_role(["a", "b"], Role.TEST)
    assert set(session.ticks) == {"c", "d", "e"}
    session.draw_split(0, seed=0)
    assert session.may_train(session.subjects[0])


def test_table_ticks_through_the_session(session: Session, qapp: object) -> None:
    del qapp
    table = SubjectTable(session)
    assert (table.rowCount(), table.columnCount()) == (8, 7)
    cell = table.index(0, ED_COLUMN)
    assert cell.data(CHECK) == Qt.CheckState.Unchecked
    assert table.setData(cell, Qt.CheckState.Checked.value, CHECK)
    assert session.ticks == {"a": frozenset({Phase.ED})}
    assert cell.data(CHECK) == Qt.CheckState.Checked


def test_table_shows_test_subjects_and_missing_labels_as_such(session: Session, qapp: object) -> None:
    del qapp
    table = SubjectTable(session)
    test, unlabelled = table.index(5, ED_COLUMN), table.index(7, ES_COLUMN)
    assert test.siblingAtColumn(3).data() == "test"
    assert not test.flags() & Qt.ItemFlag.ItemIsEnabled
    assert not table.setData(test, Qt.CheckState.Checked.value, CHECK)
    assert "Test subject" in test.data(Qt.ItemDataRole.ToolTipRole)
    assert unlabelled.data(CHECK) is None
    assert unlabelled.data() == "–"


def test_exam_places_references_at_their_frames(cohort: Cohort) -> None:
    exam = read_exam(cohort.subject("a"))
    assert exam.pixels.shape[:3] == (FRAMES, SLICES, ROWS)
    assert exam.phase_frames == {ED: Phase.ED, ES: Phase.ES}
    filled = [frame for frame in range(FRAMES) if exam.reference_labels[frame].any()]
    assert filled == [ED, ES]


def test_score_table_averages_test_subjects_only(qapp: object) -> None:
    del qapp
    table = ScoreTable()
    table.show(
        Score(subject, Phase.ED, structure, dice, role, hd95_mm=hd95_mm)
        for subject, dice, hd95_mm, role in (
            ("a", 0.9, 3.0, SubjectRole.TEST),
            ("b", 0.7, 12.0, SubjectRole.TEST),
            ("c", 0.1, None, SubjectRole.TRAINED_ON),
        )
        for structure in (Structure.LV, Structure.MYO)
    )
    assert table.rows[0] == ("Test (2)", "", "0.800", "0.800", "n/a", "7.5", "")
    assert table.rows[1] == ("c", "ED", "0.100", "0.100", "n/a", "n/a", "trained on")
    table.sort(5)  # by value: as text, 12 would come before 3
    assert [row[0] for row in table.rows] == ["Test (2)", "a", "b", "c"]
    assert "HD95" in table.headerData(5, Qt.Orientation.Horizontal)
    assert "slice" in table.data(table.index(1, 5), Qt.ItemDataRole.ToolTipRole)
