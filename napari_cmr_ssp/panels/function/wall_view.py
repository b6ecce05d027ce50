"""The bull's-eye of the wall in the window, and what it depends on."""

from __future__ import annotations

from cmr_ssp.function.aha import mean_value
from cmr_ssp.function.segments import USUAL_SEPTUM_DEG, Insertions, Orientation
from cmr_ssp.function.wall_summary import WallSummary
from psygnal import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.widgets.bullseye import Bullseye

_FOUND = -1.0
_ORDERS = {
    "slices as in the file": None,
    "first slice at the base": Orientation(base_first=True),
    "first slice at the apex": Orientation(base_first=False),
}


class WallView(QWidget):
    """Bull's-eye of thickness or thickening, the order of slices, and the anterior insertion of the RV.

    Signals: `changed` when the user chose another order or insertion, `segment_opened` (AHA number).
    """

    changed = Signal()
    segment_opened = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found = WallSummary()
        self.quantity, self.order = QComboBox(), QComboBox()
        self.quantity.addItems(["thickness at ED", "thickening"])
        self.quantity.setToolTip("What the bull's-eye shows")
        self.order.addItems(list(_ORDERS))
        self.order.setToolTip("Which end of the stack is the base, if the file does not know it")
        self.insertion = QDoubleSpinBox()
        self.insertion.setRange(_FOUND, 359)
        self.insertion.setValue(_FOUND)
        self.insertion.setDecimals(0)
        self.insertion.setSingleStep(5)
        self.insertion.setSpecialValueText("insertion found")
        self.insertion.setSuffix("°")
        self.insertion.setKeyboardTracking(False)
        self.insertion.setToolTip("Direction of the anterior RV insertion from the centre of the LV")
        self.bullseye, self.reason = Bullseye(), QLabel()
        self.reason.setWordWrap(True)
        self._lay_out()
        self.quantity.activated.connect(self._show)
        self.order.activated.connect(lambda: self.changed.emit())
        self.insertion.valueChanged.connect(lambda: self.changed.emit())
        self.bullseye.chosen.connect(self.segment_opened.emit)

    @property
    def orientation(self) -> Orientation | None:
        """What the user says about the order of slices, None to take it from the file."""
        return _ORDERS[self.order.currentText()]

    @property
    def insertions(self) -> Insertions | None:
        """What the user says about the insertions, None to find them."""
        if self.insertion.value() == _FOUND:
            return None
        before = self._found.insertions
        septum = before.septum_deg if before is not None else -USUAL_SEPTUM_DEG
        return Insertions(self.insertion.value(), septum)

    def show_walls(self, found: WallSummary) -> None:
        """Show results, or why there are none."""
        self._found = found
        self._show()

    def _show(self) -> None:
        found = self._found
        values = found.thickness if self.quantity.currentIndex() == 0 else found.thickening
        self.bullseye.show_values(values)
        self.bullseye.setVisible(bool(values))
        mean = mean_value(values)
        text = found.reason
        if mean is not None and found.insertions is not None:
            number = f"{mean:.1f} mm" if values[0].unit == "mm" else f"{mean:.0f} %"
            text = f"Mean {number}; anterior insertion at {found.insertions.anterior_deg:.0f}°."
        self.reason.setText(text)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        rows = (("Show", self.quantity), ("Slices", self.order), ("RV insertion", self.insertion))
        for name, field in rows:
            field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            form.addRow(name, field)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.bullseye)
        layout.addWidget(self.reason)
