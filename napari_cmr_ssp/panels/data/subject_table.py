"""Table model of the subjects of a cohort, filtered and sorted, with a check box for every labelled phase."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem, Severity
from cmr_ssp.subjects import Subject
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QPixmap

from napari_cmr_ssp.io.own_labels import OwnByPhase
from napari_cmr_ssp.panels.data.marks import Marks
from napari_cmr_ssp.panels.data.picture_store import PictureStore
from napari_cmr_ssp.panels.data.showing import Showing, is_shown
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.text_table import TONE_ROLE, Tone

TEXT_COLUMNS = ("Subject", "Vendor", "Group", "Role")
COLUMNS = (*TEXT_COLUMNS, *Phase, "Dice")
DICE_COLUMN = COLUMNS.index("Dice")
_PHASES = tuple(Phase)
_ROOT = QModelIndex()
_TITLE_TIPS = {
    **{str(phase): f"Labels at {phase}: tick them to train on them" for phase in Phase},
    "Dice": "Mean 3D Dice of each subject by the run that is selected under Runs",
}


class SubjectTable(QAbstractTableModel):
    """Shows the session's cohort and edits its ticks; filters and sorts by itself.

    A proxy model would ask this one for two texts at every comparison, which takes longer than a keystroke.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.marks = Marks(session)
        self.pictures = PictureStore()
        self._subjects: tuple[Subject, ...] = ()
        self._n_usable = 0
        self._texts: list[tuple[str, ...]] = []
        self._words: list[str] = []
        self._rows: list[int] = []
        self._text, self._showing = "", Showing.ALL
        self._column, self._descending = 0, False
        self._reset()
        session.events.cohort.connect(self._reset)
        session.events.split.connect(self._take_split)
        session.events.ticks.connect(self.refresh)
        session.events.scores.connect(self._take_scores)

    @property
    def n_subjects(self) -> int:
        """The number of subjects, whether the filter shows them or not."""
        return len(self._subjects)

    def subject(self, row: int) -> Subject:
        """Return the subject of a row."""
        return self._subjects[self._rows[row]]

    def is_refused(self, row: int) -> bool:
        """Return whether the subject of a row was refused."""
        return self._rows[row] >= self._n_usable

    def show_only(self, text: str, showing: Showing) -> None:
        """Show the subjects with a text in id, vendor, group or role, and of one kind."""
        self._text, self._showing = text.strip().casefold(), showing
        self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, subjects with the same value by id; those without a score stay at the end."""
        self._column, self._descending = column, order == Qt.SortOrder.DescendingOrder
        self._arrange()

    def show_own_labels(self, own: Mapping[str, OwnByPhase]) -> None:
        """Show the user's own labels of subjects."""
        self.marks.own |= own
        self.refresh()

    def show_picture(self, subject: Subject, picture: QPixmap | None) -> None:
        """Show the picture of a subject, None if it has none."""
        self.pictures.put(subject, picture)
        for row, place in enumerate(self._rows):
            if self._subjects[place] is subject:
                cell = self.index(row, 0)
                self.dataChanged.emit(cell, cell, [Qt.ItemDataRole.DecorationRole])

    def refresh(self) -> None:
        """Show again what is ticked, labelled and scored, and which rows the filter shows."""
        if not self._arrange() and self._rows:
            last = len(COLUMNS) - 1
            self.dataChanged.emit(self.index(0, 1), self.index(len(self._rows) - 1, last))
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 1, last)  # columns fit their texts again

    def _reset(self) -> None:
        self.beginResetModel()
        self._subjects = self._session.subjects + self._session.refused
        self._n_usable = len(self._session.subjects)
        self.marks.own = {}
        self.marks.read_scores()
        self.pictures.clear()
        self._list_texts()
        self._rows = self._arranged()
        self.endResetModel()

    def _take_split(self) -> None:
        self._list_texts()
        self.refresh()

    def _take_scores(self) -> None:
        self.marks.read_scores()
        self.refresh()

    def _list_texts(self) -> None:
        """List the texts of the first columns, and what the text of the filter is looked for in."""
        split, has_roles = self._session.split, self._session.has_roles
        usable = self._subjects[: self._n_usable]
        roles = [str(split.role(each.id) or "") if has_roles else "" for each in usable]
        roles += ["refused"] * (len(self._subjects) - self._n_usable)
        self._texts = [
            (subject.id, subject.vendor or "", subject.group or "", role)
            for subject, role in zip(self._subjects, roles, strict=True)
        ]
        self._words = ["\n".join(texts).casefold() for texts in self._texts]

    def _arrange(self) -> bool:
        """Filter and sort again; return whether that changed the rows."""
        rows = self._arranged()
        if rows == self._rows:
            return False
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()
        return True

    def _arranged(self) -> list[int]:
        text, showing, session, own = self._text, self._showing, self._session, self.marks.own
        rows = [
            place
            for place, subject in enumerate(self._subjects)
            if text in self._words[place]
            and is_shown(subject, showing, session, own, is_refused=place >= self._n_usable)
        ]
        rows.sort(key=lambda place: self._subjects[place].id.casefold())
        if self._column == DICE_COLUMN:
            scored = [place for place in rows if self._subjects[place].id in self.marks.dice]
            scored.sort(key=lambda p: self.marks.dice[self._subjects[p].id].mean, reverse=self._descending)
            return scored + [place for place in rows if self._subjects[place].id not in self.marks.dice]
        rows.sort(key=self._key, reverse=self._descending)
        return rows

    def _key(self, place: int) -> str:
        if self._column < len(TEXT_COLUMNS):
            return self._texts[place][self._column].casefold()
        return self.marks.text(self._subjects[place], Phase(COLUMNS[self._column]))

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of shown subjects, including refused ones."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the name or tool tip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return str(COLUMNS[section])
        return _TITLE_TIPS.get(COLUMNS[section]) if role == Qt.ItemDataRole.ToolTipRole else None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Allow ticking labelled phases of training subjects; refused subjects can only be selected."""
        if self.is_refused(index.row()) and not self._session.holds_exams:
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        phase = phase_of(index)
        if phase is None or self.is_refused(index.row()):
            return flags
        if not self._session.may_train(self.subject(index.row()), phase):
            return Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, picture, tick or tool tip of a cell."""
        subject, phase, column = self.subject(index.row()), phase_of(index), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            if column < len(TEXT_COLUMNS):
                return self._texts[self._rows[index.row()]][column]
            if self.is_refused(index.row()):
                return self.marks.NOTHING if phase is not None else ""
            return self.marks.text(subject, phase) if phase is not None else self.marks.dice_text(subject)
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            return self.pictures.get(subject)
        if role == Qt.ItemDataRole.TextAlignmentRole and column == DICE_COLUMN:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if self.is_refused(index.row()):
            return self._refused_data(subject, role)
        if role == TONE_ROLE and phase is not None and not self._session.may_train(subject, phase):
            return Tone.FAINT
        if role == Qt.ItemDataRole.CheckStateRole and phase is not None and phase in subject.phases:
            ticked = phase in self._session.ticks.get(subject.id, ())
            return Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            if phase is not None:
                return self.marks.tip(subject, phase)
            return self.marks.dice_tip(subject) if column == DICE_COLUMN else _about(subject)
        return None

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Tick or untick a phase."""
        phase = phase_of(index)
        if role != Qt.ItemDataRole.CheckStateRole or phase is None:
            return False
        subject = self.subject(index.row())
        if self.is_refused(index.row()) or not self._session.may_train(subject, phase):
            return False
        self._session.tick(subject.id, phase, on=Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    def _refused_data(self, subject: Subject, role: int) -> Any:
        if role == TONE_ROLE:
            return Tone.FAINT
        if role == Qt.ItemDataRole.ToolTipRole:
            return "<br>".join(html.escape(problem.what) for problem in self.reasons(subject)) or None
        return None

    def reasons(self, subject: Subject) -> list[Problem]:
        """Return the reasons why a subject was refused; empty if it was not."""
        cohort = self._session.cohort
        about = {str(subject.place), f"subject {subject.id}"}
        return [
            problem
            for problem in (cohort.problems if cohort is not None else ())
            if problem.where in about and problem.severity is Severity.ERROR
        ]


def _about(subject: Subject) -> str:
    facts = [f"{len(subject.frames)} frames", *filter(None, (subject.vendor, subject.group))]
    return f"{subject.id}: {', '.join(facts)}. Double click to show it."


def phase_of(index: QModelIndex) -> Phase | None:
    """Return the phase of a column with check boxes, None for any other."""
    column = index.column() - len(TEXT_COLUMNS)
    return _PHASES[column] if 0 <= column < len(_PHASES) else None
