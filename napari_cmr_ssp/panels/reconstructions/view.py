"""Panel view of the Reconstructions panel."""

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
from napari_cmr_ssp.widgets.start_button import StartButton

_PARTS = {INPUT: "Input", MASKED: "Masked", REBUILT: "Reconstruction", ERROR: "Error"}


_HINT = "Double click a subject under Data, then reconstruct one of its frames."
_NO_RUN = (
    "No run can reconstruct: only masked image modelling (MIM) learns to reconstruct hidden patches. "
    "Pretrain with it under Train."
)


class ReconstructionView(QWidget):
    """Settings, buttons and errors of reconstructions.

    Signals: `reconstruction_requested` (run folder, seed of the mask, hidden share), `records_requested`
    (run folder) and `part_chosen` (layer name).
    """

    reconstruction_requested = Signal(Path, int, float)
    records_requested = Signal(Path)
    part_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = QComboBox()
        self.run.setToolTip("Pretraining run with masked image modelling (MIM)")
        self.hidden = QSlider(Qt.Orientation.Horizontal)
        self.hidden.setRange(5, 95)
        self.hidden.setValue(60)
        self.hidden.setToolTip("Share of the patches that are hidden")
        self.percent = QLabel()
        self.seed = QSpinBox()
        self.seed.setRange(0, 99999)
        self.seed.setToolTip("Seed of the mask; another seed hides other patches")
        self.reconstruct = StartButton("Reconstruct shown frame")
        self.reconstruct.setToolTip("Hide patches of the displayed frame and reconstruct them")
        self.records = QPushButton("Over the training")
        self.records.setToolTip("Reconstructions of the same few slices at several times of the training")
        self.parts = {name: QPushButton(title) for name, title in _PARTS.items()}
        for name, button in self.parts.items():
            button.setToolTip(f"Show this layer alone: {name}")
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
        layout.addWidget(self.reconstruct)
        layout.addWidget(self.records)
        layout.addLayout(compare)
        layout.addWidget(self.result)
        layout.addStretch(1)
        self.hidden.valueChanged.connect(self._show_percent)
        self.reconstruct.clicked.connect(self._request_reconstruction)
        self.records.clicked.connect(self._request_records)
        self._show_percent()

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """List the runs that can reconstruct: those of masked image modelling."""
        chosen = self.run.currentData()
        self.run.clear()
        for run in runs:
            if is_pretraining(run.method) and method(run.method).rebuilds and run.has_checkpoint:
                self.run.addItem(run.name, str(run.folder))
        self.run.setCurrentIndex(max(0, self.run.findData(chosen)))
        for button in (self.reconstruct, self.records):
            button.setEnabled(self.run.count() > 0)
        if self.result.text() in (_HINT, _NO_RUN):
            self.result.setText(self._hint)

    def clear(self) -> None:
        """Clear the result after its exam was removed."""
        self.result.setText(self._hint)
        for button in self.parts.values():
            button.setEnabled(False)

    def show_records(self, records: Records) -> None:
        """Show the error of each record."""
        self._enable_parts(REBUILT)
        rows = "".join(
            f"<tr><td>update {update}&nbsp;&nbsp;</td><td>{error:.3f}</td></tr>"
            for update, error in zip(records.updates, records.mean_error.mean(axis=1), strict=True)
        )
        whose = "of validation subjects" if records.slices.role == "validation" else "also used for training"
        self.result.setText(
            f"Mean squared error over hidden pixels of {len(records.slices.places)} slices {whose}, always "
            f"with the same patches hidden. The record slider selects the update.<table>{rows}</table>"
        )

    def _enable_parts(self, part: str) -> None:
        for button in self.parts.values():
            button.setEnabled(True)
        self.parts[part].setChecked(True)

    def show_result(self, result: Reconstruction) -> None:
        """Show the error of each slice."""
        self._enable_parts(MASKED)
        rows = "".join(
            f"<tr><td>slice {slice_}&nbsp;&nbsp;</td><td>{error:.3f}</td></tr>"
            for slice_, error in zip(result.slices, result.mean_error, strict=True)
        )
        mean = result.mean_error.mean()
        self.result.setText(
            f"Frame {result.frame}: mean squared error over hidden pixels <b>{mean:.3f}</b> (1 for "
            f"predicting the mean of the cine).<table>{rows}</table>"
        )

    @property
    def _hint(self) -> str:
        return _HINT if self.run.count() else _NO_RUN

    def _show_percent(self) -> None:
        self.percent.setText(f"{self.hidden.value()} %")

    def _request_reconstruction(self) -> None:
        folder = self.run.currentData()
        if folder is not None:
            self.reconstruction_requested.emit(Path(folder), self.seed.value(), self.hidden.value() / 100)

    def _request_records(self) -> None:
        folder = self.run.currentData()
        if folder is not None:
            self.records_requested.emit(Path(folder))
