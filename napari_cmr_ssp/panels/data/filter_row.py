"""The line above the table of a cohort that says which subjects it shows."""

from __future__ import annotations

from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QWidget

from napari_cmr_ssp.panels.data.showing import Showing

_TIP = "The filter only hides rows: ticks, roles and draws concern the whole cohort"


class FilterRow(QWidget):
    """A text and a kind of subjects; the signal `changed` has both."""

    changed = Signal(str, Showing)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QLineEdit()
        self.text.setPlaceholderText("Filter by id, group, vendor or role")
        self.text.setToolTip(_TIP)
        self.text.setClearButtonEnabled(True)
        self.kind = QComboBox()
        self.kind.addItems([str(each) for each in Showing])
        self.kind.setAccessibleName("Subjects to show")
        self.kind.setToolTip(f"Which subjects to show. {_TIP}.")
        self.count = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text, stretch=1)
        layout.addWidget(self.kind)
        layout.addWidget(self.count)
        self.text.textChanged.connect(self._tell)
        self.kind.currentIndexChanged.connect(self._tell)

    def show_count(self, n_shown: int, n_subjects: int) -> None:
        """Say how many subjects are shown, if not all are."""
        self.count.setText(f"{n_shown} of {n_subjects}")
        self.count.setVisible(n_shown < n_subjects)

    def _tell(self) -> None:
        self.changed.emit(self.text.text(), Showing(self.kind.currentText()))
