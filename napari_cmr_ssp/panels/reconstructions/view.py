"""What masked image modelling learnt: hide patches of the shown frame and look at what is rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.recipes import is_pretraining, method
from psygnal import Signal
from qtpy.QtCore import Qt
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

from napari_cmr_ssp.scene.layers import ERROR, INPUT, MASKED, REBUILT

if TYPE_CHECKING:
    from cmr_ssp.methods.mim.reconstruct import Reconstruction
    from cmr_ssp.runs import Records, RunSummary


_PARTS = {INPUT: "Input", MASKED: "Masked", REBUILT: "Rebuilt", ERROR: "Error"}


_HINT = "Double click a subject under Data, then rebuild one of its frames."
_NO_RUN = (
    "There is no run to rebuild with: only masked image modelling (MIM) learns to rebuild hidden patches. "
    "Pretrain with it under Train."
)


class ReconstructionView(QWidget):
    """Shows what a pretraining learnt, now and over its training.

    Emits `rebuild_asked` (run folder, seed of the mask, hidden share), `records_asked` (run folder) and
    `part_chosen` (layer name).
    """

    rebuild_asked = Signal(Path, int, float)
    records_asked = Signal(Path)
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
        self.over = QPushButton("Over the training")
        self.over.setToolTip("The same few slices, rebuilt again and again while the run trained")
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
        layout.addWidget(self.over)
        layout.addLayout(compare)
        layout.addWidget(self.result)
        layout.addStretch(1)
        self.hidden.valueChanged.connect(self._show_percent)
        self.rebuild.clicked.connect(self._ask)
        self.over.clicked.connect(self._ask_for_records)
        self._show_percent()

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """Offer the runs that learnt to rebuild: those of masked image modelling."""
        chosen = self.run.currentData()
        self.run.clear()
        for run in runs:
            if is_pretraining(run.method) and method(run.method).rebuilds and run.has_checkpoint:
                self.run.addItem(run.name, str(run.folder))
        self.run.setCurrentIndex(max(0, self.run.findData(chosen)))
        for button in (self.rebuild, self.over):
            button.setEnabled(self.run.count() > 0)
        if self.result.text() in (_HINT, _NO_RUN):
            self.result.setText(self._hint)

    def clear(self) -> None:
        """Forget the reconstruction of an exam that is no longer shown."""
        self.result.setText(self._hint)
        for button in self.parts.values():
            button.setEnabled(False)

    def show_records(self, records: Records) -> None:
        """Say how the error fell."""
        self._offer(REBUILT)
        rows = "".join(
            f"<tr><td>update {update}&nbsp;&nbsp;</td><td>{error:.3f}</td></tr>"
            for update, error in zip(records.updates, records.mean_error.mean(axis=1), strict=True)
        )
        whose = "of validation" if records.slices.role == "validation" else "that also train"
        self.result.setText(
            f"{len(records.slices.places)} slices {whose}, always with the same patches hidden: mean squared "
            f"error over hidden pixels. The slider record goes through them.<table>{rows}</table>"
        )

    def _offer(self, part: str) -> None:
        for button in self.parts.values():
            button.setEnabled(True)
        self.parts[part].setChecked(True)

    def show_result(self, found: Reconstruction) -> None:
        """Say how large the error is."""
        self._offer(MASKED)
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

    def _ask_for_records(self) -> None:
        folder = self.run.currentData()
        if folder is not None:
            self.records_asked.emit(Path(folder))
