"""What napari docks. The workbench inside belongs to the viewer's window and outlives its dock."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QMainWindow, QVBoxLayout, QWidget

from napari_cmr_ssp.leaving import Leaving, ask_about_jobs, may_close
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.scene import Viewer
from napari_cmr_ssp.workbench import Workbench

PLUGIN, TITLE = "napari-cmr-ssp", "Cardiac MR workbench"

_OPEN: dict[int, Workbench] = {}
"""The workbench of each viewer that has one."""


def workbench_of(viewer: Viewer, preferences: Preferences | None = None) -> Workbench:
    """Return the viewer's workbench, which is made where there is none yet.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer.
    preferences : Preferences, optional
        Of a new workbench, instead of napari's settings.
    """
    key = id(getattr(viewer, "__wrapped__", viewer))  # napari hands plugins a proxy
    if key not in _OPEN:
        bench = _OPEN[key] = Workbench(viewer, preferences)
        bench.destroyed.connect(lambda: _OPEN.pop(key, None))
        for layer in viewer.layers:
            edits.watch(layer)
        viewer.layers.events.inserted.connect(lambda event: edits.watch(event.value))
    return _OPEN[key]


def dock_workbench(viewer: Any, preferences: Preferences | None = None) -> Workbench:
    """Dock the viewer's workbench and return it."""
    bench = workbench_of(viewer, preferences)
    viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
    return bench


class WorkbenchDock(QWidget):
    """The frame that napari makes whenever the workbench is opened, and deletes at the dock's cross.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose workbench is shown; napari passes it.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.bench = workbench_of(napari_viewer)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bench)
        self.bench.show()

    def event(self, event: QEvent | None) -> bool:
        """Watch the window that the dock comes into, and keep the workbench when the dock goes."""
        kind = event.type() if event is not None else None
        if kind in (QEvent.Type.Show, QEvent.Type.ParentAboutToChange):
            window = _window_of(self)
            if window is not None:
                _Guard.of(window, self.bench, self._viewer)
            if window is not None and kind == QEvent.Type.ParentAboutToChange:
                self._leave(window)
        return bool(super().event(event))

    def _leave(self, window: QMainWindow) -> None:
        if self.bench.parent() is self:
            self.bench.hide()
            self.bench.setParent(window)
            # Once napari is done with the dock.
            QTimer.singleShot(0, lambda: _ask(self.bench, self._viewer, window))
        self.deleteLater()


class _Guard(QObject):
    """Asks before a window closes what would be lost with it, and stops the jobs of one that closes."""

    def __init__(self, window: QMainWindow, bench: Workbench, viewer: Viewer) -> None:
        super().__init__(window)
        self._window, self._bench, self._viewer = window, bench, viewer
        window.installEventFilter(self)

    @classmethod
    def of(cls, window: QMainWindow, bench: Workbench, viewer: Viewer) -> None:
        """Guard a window, once."""
        if window.findChild(cls) is None:
            cls(window, bench, viewer)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Let the window close, or keep it open."""
        # The type first: PySide6 still sends other events here once it has taken the attributes away.
        if event is None or event.type() != QEvent.Type.Close or watched is not self._window:
            return False
        if self._is_seen and not may_close(self._window, self._bench.desk.titles, self._edits):
            event.ignore()
            return True
        self._bench.close_down()
        return False

    @property
    def _is_seen(self) -> bool:
        """Whether a person closes the window: `Viewer.close` in a script hides the canvas first."""
        centre = self._window.centralWidget()
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        return centre is not None and any(
            each.isVisible() for each in centre.findChildren(QWidget, options=direct)
        )

    @property
    def _edits(self) -> list[str]:
        return [layer.name for layer in edits.unsaved(self._bench.scene.layers)]


def _window_of(widget: QWidget) -> QMainWindow | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def _ask(bench: Workbench, viewer: Any, window: QMainWindow) -> None:
    """Ask what becomes of the jobs of a workbench that is out of sight."""
    try:
        if not bench.desk.titles or bench.parent() is not window:
            return
    except RuntimeError:  # the window is gone, too
        return

    def go_on(answer: Leaving) -> None:
        if answer is Leaving.STOP:
            bench.desk.trainer.stop_all()
        elif answer is Leaving.CANCEL:
            dock_workbench(viewer)

    ask_about_jobs(window, bench.desk.titles, go_on)
