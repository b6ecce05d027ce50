"""Table model of scores, with a row per subject and phase: 3D Dice of each structure, and their mean HD95."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, SubjectRole, mean_dice, mean_hd95_mm
from qtpy.QtCore import QModelIndex, QObject, Qt
from qtpy.QtGui import QFont

from napari_cmr_ssp.widgets.text_table import TextTable

_HD95 = "HD95"
_HD95_TIP = (
    "Distance in mm between the surfaces of segmentation and reference in 3D (95th percentile), "
    "mean over the labelled structures. It needs the true slice spacing."
)
_COLUMNS = ("Subject", "Phase", *(structure.name for structure in Structure), _HD95, "Role")
_NUMBERS = _COLUMNS[2:-1]
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
            volumes.sort(key=lambda row: _sort_key(row[column]), reverse=descending)
        self.replace((*means, *volumes))

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, alignment, tool tip or font of a cell."""
        text = self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and _COLUMNS[index.column()] in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(index.column(), text)
        if role == Qt.ItemDataRole.FontRole and not self.rows[index.row()][1]:
            font = QFont()
            font.setBold(True)
            return font
        return super().data(index, role)

    def _tip(self, column: int, text: str) -> str:
        if _COLUMNS[column] == _HD95:
            return _HD95_TIP
        return "This structure is not labelled here." if text == _UNKNOWN else text


def _rows(scores: tuple[Score, ...]) -> tuple[tuple[str, ...], ...]:
    volumes: dict[tuple[str, Phase], dict[Structure, Score]] = {}
    for score in scores:
        volumes.setdefault((score.subject, score.phase), {})[score.structure] = score
    rows = [
        (
            subject,
            str(phase),
            *(_number(found[s].dice if s in found else None) for s in Structure),
            _millimetres(mean_hd95_mm(found.values())),
            str(next(iter(found.values())).role),
        )
        for (subject, phase), found in sorted(volumes.items(), key=_worst_first)
    ]
    test = [score for score in scores if score.role is SubjectRole.TEST]
    if test:
        n = len({score.subject for score in test})
        means = (_number(mean_dice(test, (s,))) for s in Structure)
        rows.insert(0, (f"Test ({n})", "", *means, _millimetres(mean_hd95_mm(test)), ""))
    return tuple(rows)


def _worst_first(volume: tuple[tuple[str, Phase], dict[Structure, Score]]) -> tuple[float, str, Phase]:
    (subject, phase), found = volume
    known = [score.dice for score in found.values() if score.dice is not None]
    return min(known, default=2.0), subject, phase


def _number(dice: float | None) -> str:
    return _UNKNOWN if dice is None else f"{dice:.3f}"


def _millimetres(mm: float | None) -> str:
    return _UNKNOWN if mm is None else f"{mm:.1f}"


def _sort_key(cell: str) -> tuple[bool, float, str]:
    """Sort numbers by value, before text."""
    try:
        return False, float(cell), ""
    except ValueError:
        return True, 0.0, cell
