"""Table model of 3D Dice scores, with a row per subject and phase and a column per structure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, SubjectRole, mean_dice
from qtpy.QtCore import QModelIndex, QObject, Qt
from qtpy.QtGui import QFont

from napari_cmr_ssp.widgets.text_table import TextTable

_COLUMNS = ("Subject", "Phase", *(structure.name for structure in Structure), "Role")
_UNKNOWN = "n/a"


class ScoreTable(TextTable):
    """Shows scores, the worst volume first; above them the means over test subjects, if there are any."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(_COLUMNS, parent)

    def show(self, scores: Iterable[Score]) -> None:
        """Replace all rows."""
        self.replace(_rows(tuple(scores)))

    def volume(self, row: int) -> tuple[str, Phase] | None:
        """Return subject and phase of a row, None for the means."""
        subject, phase = self.rows[row][:2]
        return (subject, Phase(phase)) if phase else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the volumes by a column; the means stay at the top."""
        means = [row for row in self.rows if not row[1]]
        volumes = [row for row in self.rows if row[1]]
        if column >= 0:
            descending = order == Qt.SortOrder.DescendingOrder
            volumes.sort(key=lambda row: row[column], reverse=descending)
        self.replace((*means, *volumes))

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, alignment, tool tip or font of a cell."""
        text = self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and _COLUMNS[index.column()] in Structure.__members__:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return "This structure is not labelled here." if text == _UNKNOWN else text
        if role == Qt.ItemDataRole.FontRole and not self.rows[index.row()][1]:
            font = QFont()
            font.setBold(True)
            return font
        return super().data(index, role)


def _rows(scores: tuple[Score, ...]) -> tuple[tuple[str, ...], ...]:
    volumes: dict[tuple[str, Phase], dict[Structure, Score]] = {}
    for score in scores:
        volumes.setdefault((score.subject, score.phase), {})[score.structure] = score
    rows = [
        (
            subject,
            str(phase),
            *(_number(found[s].dice if s in found else None) for s in Structure),
            str(next(iter(found.values())).role),
        )
        for (subject, phase), found in sorted(volumes.items(), key=_worst_first)
    ]
    test = [score for score in scores if score.role is SubjectRole.TEST]
    if test:
        n = len({score.subject for score in test})
        means = (_number(mean_dice(test, (s,))) for s in Structure)
        rows.insert(0, (f"Test ({n})", "", *means, ""))
    return tuple(rows)


def _worst_first(volume: tuple[tuple[str, Phase], dict[Structure, Score]]) -> tuple[float, str, Phase]:
    (subject, phase), found = volume
    known = [score.dice for score in found.values() if score.dice is not None]
    return min(known, default=2.0), subject, phase


def _number(dice: float | None) -> str:
    return _UNKNOWN if dice is None else f"{dice:.3f}"
