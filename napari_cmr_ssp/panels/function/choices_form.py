"""What a person can choose about the measurement of function."""

from __future__ import annotations

from dataclasses import replace

from cmr_ssp.function import FunctionChoices, PapillarySide, SliceRule
from cmr_ssp.function.body import HEIGHT_CM, RATE_BPM, WEIGHT_KG
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QHBoxLayout, QSizePolicy, QSlider, QWidget
from superqt.utils import signals_blocked

_PERCENT = 100


class ChoicesForm(QWidget):
    """Rule for slices, papillary muscles, frames of the RV, and size and heart rate of the person.

    Signals: `changed` (FunctionChoices) after the user changed something; `counted` and `phases` of the
    choices that were shown are kept.
    """

    changed = Signal(FunctionChoices)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = FunctionChoices()
        self.rule, self.papillary, self.rv_phases = QComboBox(), QComboBox(), QComboBox()
        self.rule.addItem("with wall around half or more", SliceRule.HALF_WALL)
        self.rule.addItem("in which it is drawn", SliceRule.AS_DRAWN)
        self.rule.setToolTip("LV slices that count, unless you tick or untick them below")
        self.papillary.addItem("in the cavity", PapillarySide.CAVITY)
        self.papillary.addItem("in the wall", PapillarySide.WALL)
        self.papillary.setToolTip("Where papillary muscles and trabeculae of the LV are counted")
        self.rv_phases.addItem("those of the LV", False)
        self.rv_phases.addItem("its own", True)
        self.rv_phases.setToolTip("Frames of ED and ES at which the RV is measured")
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(5, 95)
        self.threshold.setToolTip("Darker pixels of the cavity are muscle: left is the wall, right the blood")
        self.height_cm = _number(HEIGHT_CM, "height", " cm", "Height, for the body surface area; not stored")
        self.weight_kg = _number(WEIGHT_KG, "weight", " kg", "Weight, for the body surface area; not stored")
        self.rate_bpm = _number(
            RATE_BPM, "heart rate", " bpm", "Heart rate; if not known, from the DICOM header or frames"
        )
        self._lay_out()
        for box in (self.rule, self.papillary, self.rv_phases):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.activated.connect(self._tell)
        for spin in (self.height_cm, self.weight_kg, self.rate_bpm):
            spin.editingFinished.connect(self._tell)
        self.threshold.setTracking(False)  # measuring a cine takes a moment
        self.threshold.valueChanged.connect(self._tell)

    def show_choices(self, choices: FunctionChoices) -> None:
        """Show choices without emitting `changed`."""
        self._shown = choices
        with signals_blocked(self.threshold):
            self.threshold.setValue(round(_PERCENT * choices.papillary_threshold))
        self.rule.setCurrentIndex(self.rule.findData(choices.rule))
        self.papillary.setCurrentIndex(self.papillary.findData(choices.papillary_side))
        self.rv_phases.setCurrentIndex(self.rv_phases.findData(choices.rv_has_own_phases))
        sizes = (choices.height_cm, choices.weight_kg, choices.heart_rate_bpm)
        for spin, value in zip((self.height_cm, self.weight_kg, self.rate_bpm), sizes, strict=True):
            if not spin.hasFocus():
                spin.setValue(spin.minimum() if value is None else value)

    def _tell(self) -> None:
        chosen = replace(
            self._shown,
            rule=SliceRule(self.rule.currentData()),
            papillary_side=PapillarySide(self.papillary.currentData()),
            rv_has_own_phases=bool(self.rv_phases.currentData()),
            papillary_threshold=self.threshold.value() / _PERCENT,
            height_cm=_value(self.height_cm),
            weight_kg=_value(self.weight_kg),
            heart_rate_bpm=_value(self.rate_bpm),
        )
        if chosen != self._shown:
            self._shown = chosen
            self.changed.emit(chosen)

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        person = QHBoxLayout()
        for spin in (self.height_cm, self.weight_kg):
            person.addWidget(spin)
        form.addRow("Person", person)
        form.addRow("Heart rate", self.rate_bpm)
        form.addRow("LV slices", self.rule)
        papillary = QHBoxLayout()
        papillary.addWidget(self.papillary, stretch=1)
        papillary.addWidget(self.threshold, stretch=1)
        form.addRow("Papillary muscles", papillary)
        form.addRow("RV frames", self.rv_phases)


def _number(limits: tuple[float, float], name: str, unit: str, tip: str) -> QDoubleSpinBox:
    """Return a field whose smallest value means that it is not known."""
    spin = QDoubleSpinBox()
    spin.setDecimals(0)
    spin.setRange(limits[0] - 1, limits[1])
    spin.setSuffix(unit)
    spin.setSpecialValueText(f"{name} ?")
    spin.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # all equally wide
    spin.setToolTip(tip)
    spin.setKeyboardTracking(False)
    return spin


def _value(spin: QDoubleSpinBox) -> float | None:
    return spin.value() if spin.value() > spin.minimum() else None
