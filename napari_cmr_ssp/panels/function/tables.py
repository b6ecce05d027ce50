"""Table models of quantities and of slices that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cmr_ssp.anatomy import Phase
from cmr_ssp.function import CardiacFunction, CountedSlice, Flag, Gravity, SliceChoice
from cmr_ssp.function.flag_text import place_text
from psygnal import Signal
from qtpy.QtCore import QModelIndex, QObject, Qt

from napari_cmr_ssp.widgets.text_table import TONE_ROLE, TextTable, Tone

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_MOST_FLAGS = 100
_OTHER_SIDE = "The LV with papillary muscles and trabeculae on the other side"


class QuantityTable(TextTable):
    """Quantities of LV and RV, and of the LV with papillary muscles counted the other way."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(("", "LV", "", "RV", "unit"), parent)

    def show(self, found: CardiacFunction | None, other_side: CardiacFunction | None) -> None:
        """Replace all rows; what is available nowhere is left out."""
        if other_side is not None:
            self._columns = ("", "LV", f"muscles in {other_side.papillary_side}", "RV", "unit")
        self.replace(tuple(_quantity_rows(found, other_side)) if found is not None else ())

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text or alignment of a cell."""
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() in (1, 2, 3):
            return _RIGHT
        return super().data(index, role)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the name of a column, and what it means as tool tip."""
        if role == Qt.ItemDataRole.ToolTipRole and orientation == Qt.Orientation.Horizontal and section == 2:
            return _OTHER_SIDE
        return super().headerData(section, orientation, role)


def _quantity_rows(
    found: CardiacFunction, other_side: CardiacFunction | None
) -> list[tuple[str, str, str, str, str]]:
    other = {q.name: q.text for q in other_side.quantities if q.structure == "LV"} if other_side else {}
    rows = []
    for name in dict.fromkeys(q.name for q in found.quantities):
        cells = [q for q in found.quantities if q.name == name]
        if all(q.value is None for q in cells):
            continue
        texts = {q.structure: q.text for q in cells}
        left = texts.get("body", texts.get("LV", ""))
        unit = cells[0].unit.replace("m2", "m²")
        rows.append((name, left, other.get(name, ""), texts.get("RV", ""), unit))
    return rows


class FlagTable(TextTable):
    """What looks doubtful, with its place; what is impossible in a heart is marked as an error."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(("Where", "What"), parent)
        self.doubts: tuple[Flag, ...] = ()

    def show(self, flags: Sequence[Flag], phases: Mapping[Phase, int]) -> None:
        """Replace all rows."""
        self.doubts = tuple(flags[:_MOST_FLAGS])
        self.replace(tuple((place_text(flag, phases), flag.sentence) for flag in self.doubts))

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, tone or tool tip of a cell."""
        if role == TONE_ROLE:
            return Tone.ERROR if self.doubts[index.row()].gravity is Gravity.WRONG else None
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.rows[index.row()][1]
        return super().data(index, role)


class SliceTable(TextTable):
    """Drawn slices at ED and ES, with a box each that says whether it counts.

    Signals: `ticked` (phase, structure and slice; whether it counts).
    """

    ticked = Signal(tuple, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(("Counts", "Slice", "mL", "EF otherwise", "Why"), parent)
        self.slices: tuple[CountedSlice, ...] = ()

    def show(self, slices: Sequence[CountedSlice]) -> None:
        """Replace all rows."""
        self.slices = tuple(slices)
        self.replace(tuple(_slice_row(each) for each in slices))

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Make the first column checkable."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == 0 else flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, box, alignment or tool tip of a cell."""
        if role == Qt.ItemDataRole.CheckStateRole and index.column() == 0:
            counts = self.slices[index.row()].counts
            return Qt.CheckState.Checked if counts else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() in (1, 2, 3):
            return _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.slices[index.row()].reason
        return super().data(index, role)

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Emit `ticked` when the user ticks or unticks a box."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        each = self.slices[index.row()]
        choice: SliceChoice = (each.phase, each.structure, each.slice)
        self.ticked.emit(choice, Qt.CheckState(value) == Qt.CheckState.Checked)
        return True


def _slice_row(each: CountedSlice) -> tuple[str, ...]:
    ef = "" if each.ef_otherwise_percent is None else f"{each.ef_otherwise_percent:.1f} %"
    return (f"{each.structure.name} {each.phase}", str(each.slice), f"{each.ml:.1f}", ef, each.reason)
