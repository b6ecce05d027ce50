"""The dock widget. Its workbench belongs to the window of the viewer and survives closing the dock."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QMainWindow, QSizePolicy, QVBoxLayout, QWidget

from napari_cmr_ssp.leaving import Leaving, ask_about_jobs, may_close
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.scene import Viewer
from napari_cmr_ssp.workbench import Workbench

PLUGIN, TITLE = "napari-cmr-ssp", "Cardiac MR workbench"

_OPEN: dict[int, Workbench] = {}
"""Workbench of each viewer, by the id of the viewer."""


def workbench_of(viewer: Viewer, preferences: Preferences | None = None) -> Workbench:
    """Return the workbench of a viewer; create it if needed.

    Parameters
    ----------
    viewer : Viewer
        A napari viewer.
    preferences : Preferences, optional
        Preferences of a new workbench; by default napari's settings.
    """
    key = id(getattr(viewer, "__wrapped__", viewer))  # napari passes a proxy to plugins
    if key not in _OPEN:
        bench = _OPEN[key] = Workbench(viewer, preferences)
        bench.destroyed.connect(lambda: _OPEN.pop(key, None))
        for layer in viewer.layers:
            edits.watch(layer)
        viewer.layers.events.inserted.connect(lambda event: edits.watch(event.value))
    return _OPEN[key]


def dock_workbench(viewer: Any, preferences: Preferences | None = None) -> Workbench:
    """Dock the workbench of a viewer and return it."""
    bench = workbench_of(viewer, preferences)
    viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
    return bench


class WorkbenchDock(QWidget):
    """Container that napari creates when the workbench is opened, and deletes when the dock is closed.

    Parameters
    ----------
    napari_viewer : Viewer
        Viewer of the workbench; passed by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.bench = workbench_of(napari_viewer)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bench)
        # Otherwise napari puts empty space below the workbench, which would take half of a tall window.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.bench.show()

    def event(self, event: QEvent | None) -> bool:
        """Guard the window in which the dock is placed, and keep the workbench when the dock is closed."""
        kind = event.type() if event is not None else None
        if kind in (QEvent.Type.Show, QEvent.Type.ParentAboutToChange):
            window = _window_of(self)
            if window is not None:
                _Guard.install(window, self.bench, self._viewer)
            if window is not None and kind == QEvent.Type.ParentAboutToChange:
                self._leave(window)
        return bool(super().event(event))

    def _leave(self, window: QMainWindow) -> None:
        if self.bench.parent() is self:
            self.bench.hide()
            self.bench.setParent(window)
            # After napari has finished closing the dock.
            QTimer.singleShot(0, lambda: _ask(self.bench, self._viewer, window))
        self.deleteLater()


class _Guard(QObject):
    """Event filter that asks before a window with jobs or edits closes, and stops its jobs."""

    def __init__(self, window: QMainWindow, bench: Workbench, viewer: Viewer) -> None:
        super().__init__(window)
        self._window, self._bench, self._viewer = window, bench, viewer
        window.installEventFilter(self)

    @classmethod
    def install(cls, window: QMainWindow, bench: Workbench, viewer: Viewer) -> None:
        """Install the guard of a window, unless it has one."""
        if window.findChild(cls) is None:
            cls(window, bench, viewer)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Handle close events of the window."""
        # Check the type first: PySide6 sends other events after it has removed the attributes.
        if event is None or event.type() != QEvent.Type.Close or watched is not self._window:
            return False
        titles = self._bench.desk.titles
        if self._is_visible and not may_close(self._window, titles, *self._edits_and_drafts):
            event.ignore()
            return True
        self._bench.close_down()
        return False

    @property
    def _is_visible(self) -> bool:
        """Whether the user closes the window; `Viewer.close` in a script hides the canvas first."""
        centre = self._window.centralWidget()
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        return centre is not None and any(
            each.isVisible() for each in centre.findChildren(QWidget, options=direct)
        )

    @property
    def _edits_and_drafts(self) -> tuple[list[str], list[str]]:
        """Names of layers with unsaved edits, and of those among them whose contours are drafted."""
        scene = self._bench.scene
        unsaved = edits.unsaved(scene.layers)
        drafted = [layer for layer in unsaved if scene.corrections.holds(layer)]
        return [each.name for each in unsaved if each not in drafted], [each.name for each in drafted]


def _window_of(widget: QWidget) -> QMainWindow | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def _ask(bench: Workbench, viewer: Any, window: QMainWindow) -> None:
    """Ask what to do with the jobs of a workbench with a closed dock."""
    try:
        if not bench.desk.titles or bench.parent() is not window:
            return
    except RuntimeError:  # the window was closed, too
        return

    def go_on(answer: Leaving) -> None:
        if answer is Leaving.STOP:
            bench.desk.trainer.stop_all()
        elif answer is Leaving.CANCEL:
            dock_workbench(viewer)

    ask_about_jobs(window, bench.desk.titles, go_on)
