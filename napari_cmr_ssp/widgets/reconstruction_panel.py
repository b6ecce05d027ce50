"""What masked image modelling learnt: hide patches of the shown frame and look at what is rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_cmr_ssp.layers import ERROR, INPUT, MASKED, REBUILT

if TYPE_CHECKING:
    from cmr_ssp.prediction import Reconstruction
    from cmr_ssp.runs import RunSummary


_PARTS = {INPUT: "Input", MASKED: "Masked", REBUILT: "Rebuilt", ERROR: "Error"}


_HINT = "Double click a subject under Data, then rebuild one of its frames."
_NO_RUN = (
    "There is no run to rebuild with: only masked image modelling (MIM) learns to rebuild hidden patches. "
    "Pretrain with it under Train."
)


class ReconstructionPanel(QWidget):
    """Emits `rebuild_asked` (run folder, seed of the mask, hidden share) and `part_chosen` (layer name)."""

    rebuild_asked = Signal(object, int, float)
    part_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = QComboBox()
        self.run.setToolTip("A pretraining by masked image modelling (MIM)")
        self.hidden = QSlider(Qt.Orientation.Horizontal)
        self.hidden.setRange(5, 95)
        self.hidden.setValue(60)
        self.hidden.setToolTip("Share of the patches that is hidden")
        self.percent = QLabel()
        self.seed = QSpinBox()
        self.seed.setRange(0, 99999)
        self.seed.setToolTip("Another seed hides other patches")
        self.rebuild = QPushButton("Rebuild shown frame")
        self.parts = {name: QPushButton(title) for name, title in _PARTS.items()}
        compare = QHBoxLayout()
        group = QButtonGroup(self)
        for name, button in self.parts.items():
            button.setCheckable(True)
            button.setEnabled(False)
            button.clicked.connect(lambda _=False, name=name: self.part_chosen.emit(name))
            group.addButton(button)
            compare.addWidget(button)
        self.result = QLabel(_HINT)
        self.result.setWordWrap(True)
        share = QHBoxLayout()
        share.addWidget(self.hidden)
        share.addWidget(self.percent)
        rows = QFormLayout()
        rows.addRow("Pretraining", self.run)
        rows.addRow("Hidden", share)
        rows.addRow("Seed", self.seed)
        layout = QVBoxLayout(self)
        layout.addLayout(rows)
        layout.addWidget(self.rebuild)
        layout.addLayout(compare)
        layout.addWidget(self.result)
        layout.addStretch(1)
        self.hidden.valueChanged.connect(self._show_percent)
        self.rebuild.clicked.connect(self._ask)
        self._show_percent()

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """Offer the runs that learnt to rebuild: those of masked image modelling."""
        chosen = self.run.currentData()
        self.run.clear()
        for run in runs:
            if run.method == "mim" and run.has_checkpoint:
                self.run.addItem(run.name, str(run.folder))
        self.run.setCurrentIndex(max(0, self.run.findData(chosen)))
        self.rebuild.setEnabled(self.run.count() > 0)
        if self.result.text() in (_HINT, _NO_RUN):
            self.result.setText(self._hint)

    def clear(self) -> None:
        """Forget the reconstruction of an exam that is no longer shown."""
        self.result.setText(self._hint)
        for button in self.parts.values():
            button.setEnabled(False)

    def show_result(self, found: Reconstruction) -> None:
        """Say how large the error is."""
        for button in self.parts.values():
            button.setEnabled(True)
        self.parts[MASKED].setChecked(True)
        rows = "".join(
            f"<tr><td>slice {slice_}&nbsp;&nbsp;</td><td>{error:.3f}</td></tr>"
            for slice_, error in zip(found.slices, found.mean_error, strict=True)
        )
        mean = found.mean_error.mean()
        self.result.setText(
            f"Frame {found.frame}: mean squared error over hidden pixels <b>{mean:.3f}</b> (1 is what "
            f"guessing the mean of the cine gives).<table>{rows}</table>"
        )

    @property
    def _hint(self) -> str:
        return _HINT if self.run.count() else _NO_RUN

    def _show_percent(self) -> None:
        self.percent.setText(f"{self.hidden.value()} %")

    def _ask(self) -> None:
        folder = self.run.currentData()
        if folder is not None:
            self.rebuild_asked.emit(Path(folder), self.seed.value(), self.hidden.value() / 100)
