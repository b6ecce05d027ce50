"""Table model of the subjects of a cohort, with a check box for every labelled phase."""

from __future__ import annotations

import html
from typing import Any

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem, Severity
from cmr_ssp.subjects import Role, Subject
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.text_table import TONE_ROLE, Tone

_TEXT_COLUMNS = ("Subject", "Vendor", "Group", "Role")
_COLUMNS = (*_TEXT_COLUMNS, *Phase)
_ROOT = QModelIndex()


class SubjectTable(QAbstractTableModel):
    """Shows the session's cohort and edits its ticks."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._subjects: tuple[Subject, ...] = ()
        self._n_usable = 0
        self._reset()
        session.events.cohort.connect(self._reset)
        session.events.split.connect(self._refresh)
        session.events.ticks.connect(self._refresh)

    def subject(self, row: int) -> Subject:
        """Return the subject of a row."""
        return self._subjects[row]

    def is_refused(self, row: int) -> bool:
        """Return whether the subject of a row was refused."""
        return row >= self._n_usable

    def _reset(self) -> None:
        self.beginResetModel()
        self._subjects = self._session.subjects + self._session.refused
        self._n_usable = len(self._session.subjects)
        self.endResetModel()

    def _refresh(self) -> None:
        last = self.index(self.rowCount() - 1, len(_COLUMNS) - 1)
        self.dataChanged.emit(self.index(0, len(_TEXT_COLUMNS) - 1), last)

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of subjects, including refused ones."""
        return 0 if parent.isValid() else len(self._subjects)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the name or tool tip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return str(_COLUMNS[section])
        if role == Qt.ItemDataRole.ToolTipRole and section >= len(_TEXT_COLUMNS):
            return f"Train on the labels at {_COLUMNS[section]}"
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Allow ticking labelled phases of training subjects; refused subjects can only be selected."""
        if self.is_refused(index.row()) and not self._session.holds_exams:
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        phase = _phase(index)
        if phase is None or self.is_refused(index.row()):
            return flags
        if not self._session.may_train(self.subject(index.row()), phase):
            return Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, tick or tool tip of a cell."""
        subject, phase = self.subject(index.row()), _phase(index)
        if role == Qt.ItemDataRole.DisplayRole:
            is_refused = self.is_refused(index.row())
            return self._text(subject, index.column(), "refused" if is_refused else None)
        if self.is_refused(index.row()):
            return self._refused_data(subject, role)
        if role == Qt.ItemDataRole.CheckStateRole and phase is not None and phase in subject.phases:
            ticked = phase in self._session.ticks.get(subject.id, ())
            return Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tool_tip(subject, phase)
        return None

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Tick or untick a phase."""
        phase = _phase(index)
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

    def _text(self, subject: Subject, column: int, instead_of_role: str | None) -> str | None:
        if column >= len(_TEXT_COLUMNS):
            return None if instead_of_role is None and _COLUMNS[column] in subject.phases else "–"
        own = self._session.split.role(subject.id) if self._session.has_roles else None
        role = instead_of_role or own
        return (subject.id, subject.vendor or "", subject.group or "", str(role or ""))[column]

    def _tool_tip(self, subject: Subject, phase: Phase | None) -> str:
        if phase is None:
            return f"{subject.id}: {len(subject.frames)} frames. Double click to show it."
        if phase not in subject.phases:
            return f"{phase} is not labelled."
        if self._session.split.role(subject.id) is Role.TEST:
            return "Test subject: not used for training, so that its score is unbiased."
        if self._session.split.role(subject.id) is Role.VALIDATION:
            return "Validation subject: used to select the best checkpoint."
        return f"Train on the labels at {phase}"


def _phase(index: QModelIndex) -> Phase | None:
    column = index.column()
    return tuple(Phase)[column - len(_TEXT_COLUMNS)] if column >= len(_TEXT_COLUMNS) else None
