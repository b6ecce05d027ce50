"""Plots of the loss and a score of the running training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pyqtgraph
from cmr_ssp.events import EpochFinished, Event, RunStarted, UpdateFinished
from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cmr_ssp.widgets.plots import PlotPane

_REDRAW_MS = 300
_SMOOTHING = 0.9
_LOSS, _SCORE = "#56B4E9", "#E69F00"
_HEIGHT_PX, _MIN_HEIGHT_PX = 110, 64
_MAX_POINTS = 4000
_SCORES = {
    "validation_dice": ("Dice", "Mean Dice of the validation subjects"),
    "teacher_information": (
        "nats",
        "Mutual information between slice and output of DINO's teacher; 0 if all outputs are the same",
    ),
}
"""Label and description of the scores below the loss; a training has at most one of them."""


class Curves(QWidget):
    """Plots events; redraws rarely, so that drawing slows down neither training nor window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.updates: list[int] = []
        self.losses: list[float] = []
        self.scored_at: list[int] = []
        self.scores: list[float] = []
        self._smooth: list[float] = []
        self._panes = [self._pane("loss"), self._pane("")]
        faint = pyqtgraph.mkPen(_LOSS + "55", width=1)
        self._loss = self._panes[0].plot.plot(pen=faint)
        self._smooth_loss = self._panes[0].plot.plot(pen=pyqtgraph.mkPen(_LOSS, width=2))
        self._scores = self._panes[1].plot.plot(
            pen=pyqtgraph.mkPen(_SCORE, width=2), symbol="o", symbolSize=5
        )
        self._scores.setSymbolBrush(_SCORE)
        for pane in self._panes:
            pane.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for pane in self._panes:
            layout.addWidget(pane)
        self._timer = QTimer(self)
        self._timer.setInterval(_REDRAW_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.redraw)

    def add_event(self, event: Event) -> None:
        """Add the values of an event, and redraw soon."""
        match event:
            case RunStarted():
                self.clear()
            case UpdateFinished(update, _, loss, _):
                self.updates.append(update)
                self.losses.append(loss)
                before = self._smooth[-1] if self._smooth else loss
                self._smooth.append(_SMOOTHING * before + (1 - _SMOOTHING) * loss)
                if len(self.losses) > _MAX_POINTS:  # slow to draw, and more than the pixels of a plot
                    for values in (self.updates, self.losses, self._smooth):
                        del values[::2]
            case EpochFinished(_, update, scores):
                self._add_score(update, scores)
            case _:
                return
        if not self._timer.isActive():
            self._timer.start()

    def _add_score(self, update: int, scores: Mapping[str, float]) -> None:
        name = next((name for name in _SCORES if math.isfinite(scores.get(name, math.nan))), None)
        if name is not None:
            label, about = _SCORES[name]
            self._panes[1].plot.setLabel("left", label)
            self._panes[1].setToolTip(about)
            self.scored_at.append(update)
            self.scores.append(scores[name])

    def clear(self) -> None:
        """Remove the values of the previous run."""
        for values in (self.updates, self.losses, self._smooth, self.scored_at, self.scores):
            values.clear()

    def redraw(self) -> None:
        """Draw all values."""
        if not self.isVisible():
            return
        self._loss.setData(self.updates, self.losses)
        self._smooth_loss.setData(self.updates, self._smooth)
        self._scores.setData(self.scored_at, self.scores)
        self._panes[0].setVisible(bool(self.losses))
        self._panes[1].setVisible(bool(self.scores))

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Draw events that arrived while hidden."""
        super().showEvent(event)
        self.redraw()

    def _pane(self, title: str) -> PlotPane:
        pane = PlotPane(title, self)
        pane.setMinimumHeight(_MIN_HEIGHT_PX)
        pane.setMaximumHeight(_HEIGHT_PX)
        pane.plot.setDownsampling(auto=True, mode="mean")
        pane.plot.setClipToView(True)
        return pane
