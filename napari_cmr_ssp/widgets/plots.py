"""A plot that follows the theme and leaves the mouse to others."""

from __future__ import annotations

import pyqtgraph
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cmr_ssp.widgets.tones import FollowsTheme


class PlotPane(FollowsTheme, QWidget):
    """Plot with a transparent background and axes in the text colour; it does not zoom and has no menu.

    Parameters
    ----------
    title : str
        Label of the left axis.
    parent : QWidget, optional
        Parent widget.

    Attributes
    ----------
    plot : pyqtgraph.PlotWidget
        The plot itself.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = pyqtgraph.PlotWidget(parent=self, background=None)
        self.plot.setCacheMode(self.plot.CacheModeFlag.CacheNone)  # the background changes with the theme
        self.plot.setLabel("left", title)
        self.plot.getAxis("left").setWidth(52)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.showGrid(y=True, alpha=0.2)
        self.plot.setMouseEnabled(x=False, y=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def follow_theme(self) -> None:
        """Use the text colour of the theme."""
        text = self.palette().windowText().color()
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
