"""The volume curve: click to go to a frame, mark ED and ES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyqtgraph
from cmr_ssp.anatomy import COLOURS, TITLES, Phase, Structure
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cmr_ssp.widgets.plots import PlotPane

_HEIGHT_PX, _MOST_TICKS = 130, 25
_SHOWN = (Structure.LV, Structure.RV)
_HINT = "The volumes of the LV and RV at every frame, once the exam is segmented or drawn."


class FramesView(QWidget):
    """Volumes over the frames of the shown exam.

    Signals: `frame_requested` (frame), `phase_requested` (phase).

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    frame_requested = Signal(int)
    phase_requested = Signal(Phase)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._n_frames = 0
        self.pane = PlotPane("mL", self)
        self.pane.setToolTip("Volume by frame; click to go to a frame")
        self.pane.setFixedHeight(_HEIGHT_PX)
        self.plot = self.pane.plot
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.curves = {structure: self._curve(structure) for structure in _SHOWN}
        self._now = self.plot.addLine(x=0, pen=pyqtgraph.mkPen("#8C8C8C", width=2))
        self._marks = {phase: self._mark(phase) for phase in Phase}
        self.hint = QLabel(_HINT)
        self.hint.setWordWrap(True)
        buttons = QVBoxLayout()
        self.buttons = {phase: self._button(phase) for phase in Phase}
        for button in self.buttons.values():
            buttons.addWidget(button)
        for structure in _SHOWN:
            colour = COLOURS[structure]
            buttons.addWidget(QLabel(f'<span style="color:{colour}">■</span> {TITLES[structure]}'))
        buttons.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.addWidget(self.pane, stretch=1)
        layout.addWidget(self.hint, stretch=1)
        layout.addLayout(buttons)
        self.show_volumes({})

    def show_exam(self, n_frames: int) -> None:
        """Prepare for an exam with so many frames."""
        self._n_frames = n_frames
        self.plot.setXRange(-0.5, max(n_frames, 1) - 0.5, padding=0)
        self.plot.getAxis("bottom").setTickSpacing(levels=[(1 + n_frames // _MOST_TICKS, 0)])
        self.show_volumes({})

    def show_volumes(self, ml: Mapping[Structure, Mapping[int, float]]) -> None:
        """Show volumes in ml by structure and frame."""
        for structure, curve in self.curves.items():
            volumes = ml.get(structure, {})
            curve.setData(list(volumes), list(volumes.values()))
        highest = max((max(volumes.values(), default=0.0) for volumes in ml.values()), default=0.0)
        self.plot.setYRange(0, max(highest, 1.0), padding=0.08)
        self.pane.setVisible(highest > 0)
        self.hint.setVisible(highest <= 0)

    def show_frame(self, frame: int) -> None:
        """Mark the displayed frame."""
        if self._now.value() != frame:
            self._now.setValue(frame)

    def show_phases(self, phases: Mapping[Phase, int]) -> None:
        """Mark ED and ES."""
        for phase, mark in self._marks.items():
            mark.setVisible(phase in phases)
            if phase in phases:
                mark.setValue(phases[phase])
            where = f"frame {phases[phase]}" if phase in phases else "not known"
            self.buttons[phase].setText(f"{phase}: {where}")

    def _curve(self, structure: Structure) -> Any:
        colour = COLOURS[structure]
        pen = pyqtgraph.mkPen(colour, width=2)
        return self.plot.plot(pen=pen, symbol="o", symbolSize=5, symbolBrush=colour, symbolPen=None)

    def _mark(self, phase: Phase) -> Any:
        pen = pyqtgraph.mkPen("#009E73", width=1, style=Qt.PenStyle.DashLine)
        options = {"position": 0.9, "color": "#009E73"}
        mark = self.plot.addLine(x=0, pen=pen, label=str(phase), labelOpts=options)
        mark.setVisible(False)
        return mark

    def _button(self, phase: Phase) -> QPushButton:
        button = QPushButton(f"{phase}: not known")
        button.setToolTip(f"Make the displayed frame {phase}")
        button.clicked.connect(lambda: self.phase_requested.emit(phase))
        return button

    def _clicked(self, event: Any) -> None:
        where = self.plot.getViewBox().mapSceneToView(event.scenePos())
        frame = round(where.x())
        if 0 <= frame < self._n_frames:
            self.frame_requested.emit(frame)
