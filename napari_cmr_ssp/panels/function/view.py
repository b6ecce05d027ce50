"""Panel view of the Function panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.function import CardiacFunction, CountedSlice, Flag, FunctionChoices
from cmr_ssp.function.segments import Insertions, Orientation
from cmr_ssp.function.wall_summary import WallSummary
from psygnal import Signal
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.panels.function.choices_form import ChoicesForm
from napari_cmr_ssp.panels.function.tables import FlagTable, QuantityTable, SliceTable
from napari_cmr_ssp.panels.function.wall_view import WallView
from napari_cmr_ssp.widgets.section import Section
from napari_cmr_ssp.widgets.tables import fit_columns, show_all_rows, stretch_last, table_of

_NOTHING = "Segment the shown exam, or draw its contours under Correct: volumes and function appear here."
_REPORT_FILTER = "Report (*.pdf);;Report in DICOM (*.dcm)"
_TABLE_FILTER = "Table (*.csv)"


class FunctionView(QWidget):
    """Quantities, slices that count, choices, and buttons for report and table.

    Signals: `choices_changed` (FunctionChoices), `slice_ticked` (phase, structure and slice; whether it
    counts), `slice_opened` (CountedSlice), `flag_opened` (Flag), `walls_wanted`,
    `segment_opened` (AHA number), `report_requested`, `table_requested`.
    """

    choices_changed = Signal(FunctionChoices)
    slice_ticked = Signal(tuple, bool)
    slice_opened = Signal(CountedSlice)
    flag_opened = Signal(Flag)
    walls_wanted = Signal()
    segment_opened = Signal(int)
    report_requested = Signal()
    table_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.nothing, self.notes, self.intervals = QLabel(_NOTHING), QLabel(), QLabel()
        self.measured = QLabel()
        self.measured.setTextFormat(Qt.TextFormat.PlainText)
        self.walls = WallView()
        self.flags = FlagTable(self)
        self.flag_table = table_of(self.flags)
        self.choices = ChoicesForm()
        self.quantities, self.slices = QuantityTable(self), SliceTable(self)
        self.quantity_table, self.slice_table = table_of(self.quantities), table_of(self.slices)
        self.report = QPushButton("Save report ...")
        self.report.setToolTip("Save one page with pictures, curve, quantities and method, as PDF or DICOM")
        self.table = QPushButton("Save table ...")
        self.table.setToolTip("Save the quantities as CSV")
        self._lay_out()
        self.choices.changed.connect(self.choices_changed.emit)
        self.slices.ticked.connect(self.slice_ticked.emit)
        for signal in (self.slice_table.doubleClicked, self.slice_table.row_opened):
            signal.connect(self._open_slice)
        for signal in (self.flag_table.doubleClicked, self.flag_table.row_opened):
            signal.connect(lambda index: self.flag_opened.emit(self.flags.doubts[index.row()]))
        self.report.clicked.connect(lambda: self.report_requested.emit())
        self.table.clicked.connect(lambda: self.table_requested.emit())
        self.walls.changed.connect(self.walls_wanted.emit)
        self.walls.segment_opened.connect(self.segment_opened.emit)
        self.wall_section.toggled.connect(lambda is_open: self.walls_wanted.emit() if is_open else None)
        self.show_function(None, None)

    def show_function(self, found: CardiacFunction | None, other_side: CardiacFunction | None) -> None:
        """Show results, and the same with papillary muscles on the other side."""
        self.nothing.setVisible(found is None)
        self.content.setVisible(found is not None)
        self.quantities.show(found, other_side)
        self.slices.show(found.slices if found is not None else ())
        self.notes.setText(" ".join(found.notes) if found is not None else "")
        self.quantity_table.setColumnHidden(2, other_side is None)
        for table in (self.quantity_table, self.slice_table):
            show_all_rows(table)
        for button in (self.report, self.table):
            button.setEnabled(found is not None)

    def show_measured(self, layer: str, on_top: str) -> None:
        """Name the layer that is measured, and one that lies over it, if there is any."""
        text = f"Measured: {layer}."
        if on_top:
            text += f" {on_top} lies over it: hide it to see what is measured."
        self.measured.setText(text)

    def show_flags(self, flags: Sequence[Flag], phases: Mapping[Phase, int]) -> None:
        """Show what looks doubtful."""
        self.flags.show(flags, phases)
        show_all_rows(self.flag_table)
        self.quality.show_note(f"{len(flags)} to check" if flags else "nothing found")

    @property
    def shows_walls(self) -> bool:
        """Whether the section of the wall is open."""
        return bool(self.wall_section.isExpanded())

    @property
    def wall_choices(self) -> tuple[Orientation | None, Insertions | None]:
        """What the user says about the order of slices and the insertions of the RV."""
        return self.walls.orientation, self.walls.insertions

    def show_walls(self, found: WallSummary) -> None:
        """Show the segments of the wall."""
        self.walls.show_walls(found)

    def show_intervals(self, sentences: Sequence[str]) -> None:
        """Show how sure the quantities are."""
        self.intervals.setText("<br>".join(sentences))
        self.intervals.setVisible(bool(sentences))

    def ask_for_report(self, proposed: Path) -> Path | None:
        """Ask for the file of a report; return None if the user cancels."""
        return self._ask("Save report", proposed, _REPORT_FILTER)

    def ask_for_table(self, proposed: Path) -> Path | None:
        """Ask for the file of a table; return None if the user cancels."""
        return self._ask("Save table", proposed, _TABLE_FILTER)

    def show_saved(self, file: Path) -> None:
        """Notify the user of a saved file."""
        from napari.utils.notifications import show_info

        show_info(f"Saved {file}.")

    def _ask(self, title: str, proposed: Path, filters: str) -> Path | None:
        chosen, kind = QFileDialog.getSaveFileName(self, title, str(proposed), filters)
        if not chosen:
            return None
        path = Path(chosen)
        ending = kind.partition("*")[2].rstrip(")")  # of the chosen filter; Qt's own dialog does not add it
        return path if path.suffix else path.with_name(path.name + ending)

    def _open_slice(self, index: QModelIndex) -> None:
        self.slice_opened.emit(self.slices.slices[index.row()])

    def _lay_out(self) -> None:
        fit_columns(self.quantity_table)
        for table in (self.slice_table, self.flag_table):
            stretch_last(table)
        for label in (self.nothing, self.measured, self.notes, self.intervals):
            label.setWordWrap(True)
        self.content = QWidget()
        inside = QVBoxLayout(self.content)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.measured)
        inside.addWidget(self.quantity_table)
        inside.addWidget(self.intervals)
        inside.addWidget(self.notes)
        how = _section("How it is measured", [self.choices])
        inside.addWidget(how)
        how.expand(animate=False)
        self.quality = _section("Quality", [self.flag_table])
        self.wall_section = _section("Wall thickness", [self.walls])
        inside.addWidget(self.quality)
        inside.addWidget(_section("Slices that count", [self.slice_table]))
        inside.addWidget(self.wall_section)
        inside.addStretch()
        scrolled = QScrollArea()
        scrolled.setWidgetResizable(True)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scrolled.setFrameShape(QScrollArea.Shape.NoFrame)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.nothing)
        layout.addWidget(self.content)
        scrolled.setWidget(body)
        buttons = QHBoxLayout()
        buttons.addWidget(self.report)
        buttons.addWidget(self.table)
        outside = QVBoxLayout(self)
        outside.addWidget(scrolled)
        outside.addLayout(buttons)


def _section(title: str, widgets: Sequence[QWidget]) -> Section:
    form = QFormLayout()
    for widget in widgets:
        form.addRow(widget)
    return Section(title, form)
