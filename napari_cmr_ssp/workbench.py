"""The workbench: creates session, scene, desk and panels, and arranges the panels."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import TypeVar

from qtpy.QtCore import QCoreApplication
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QTabWidget, QVBoxLayout, QWidget

from napari_cmr_ssp import panels
from napari_cmr_ssp.context import Area, Context, Panel
from napari_cmr_ssp.help import HelpDialog
from napari_cmr_ssp.io.saving import offer_nifti_first
from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.desk import JobDesk
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.jobs.worker import preload
from napari_cmr_ssp.measuring import Measuring
from napari_cmr_ssp.preferences import CurrentPreferences, Preferences
from napari_cmr_ssp.scene.scene import Scene, Viewer
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.status_line import StatusLine

_P = TypeVar("_P", bound=Panel)

RESEARCH_ONLY = "Research use only. Not a medical device."


class Workbench(QWidget):
    """Main widget of the plugin: tabs with panels, a status line and the job bar.

    Parameters
    ----------
    napari_viewer : Viewer
        Viewer that displays exams; passed by napari.
    preferences : Preferences, optional
        By default napari's settings, read whenever a job starts.

    Attributes
    ----------
    session : Session
        State that panels share.
    scene : Scene
        Layers in the viewer.
    desk : JobDesk
        Jobs in the background.
    tabs : QTabWidget
        One tab for each panel with a title.
    """

    def __init__(self, napari_viewer: Viewer, preferences: Preferences | None = None) -> None:
        super().__init__()
        self._is_open, self._viewer = True, napari_viewer
        self.dock_buttons: dict[str, QPushButton] = {}
        self.session, self.scene = Session(), Scene(napari_viewer)
        self.place, self.job_bar = StatusLine(), JobBar()
        self._preferences = CurrentPreferences(preferences)
        self.desk = JobDesk(self.job_bar, lambda: self._preferences.now.history, self)
        self.scene.place_changed.connect(self.place.setText)
        self.desk.reading_changed.connect(self._show_reading)
        measuring = Measuring(self.session, self.scene, self.desk)
        context = Context(self.session, self.scene, self.desk, self._preferences, measuring)
        self._panels = [kind.make(context) for kind in panels.PANELS]
        self._lay_out()
        self._preferences.changed.connect(self._update_help)
        self._follow_tab()
        offer_nifti_first()
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close_down)
        self.desk.compute(Job("Load torch", preload, is_silent=True), lambda _: self._spare_collections())

    @property
    def preferences(self) -> Preferences:
        """Current device, threads and workspace."""
        return self._preferences.now

    @preferences.setter
    def preferences(self, preferences: Preferences) -> None:
        self._preferences.override(preferences)

    def panel(self, kind: type[_P]) -> _P:
        """Return a panel by its class.

        Raises
        ------
        KeyError
            If the workbench has no such panel.
        """
        for each in self._panels:
            if isinstance(each, kind):
                return each
        raise KeyError(kind.__name__)

    def show_help(self) -> None:
        """Show the walkthrough and the keys."""
        self.help.show()
        self.help.raise_()
        self._update_help()

    def close_down(self) -> None:
        """Stop jobs and wait briefly; their progress is saved."""
        if self._is_open:
            self._is_open = False
            self._preferences.close()
            self.scene.close()
            self.desk.close()
            gc.unfreeze()

    def _spare_collections(self) -> None:
        """Keep the modules that are loaded now out of all later garbage collections.

        napari collects garbage whenever a layer is removed, which would halt the window for 0.2 s each time.
        Exams must not be kept alive by this: it waits until none is shown.
        """
        if self._is_open and not self._viewer.layers:
            gc.freeze()
        elif self._is_open:
            self.scene.cleared.connect(self._spare_collections_once)

    def _spare_collections_once(self) -> None:
        self.scene.cleared.disconnect(self._spare_collections_once)
        self._spare_collections()

    def _lay_out(self) -> None:
        self.tabs = QTabWidget()
        below = QHBoxLayout()
        below.setContentsMargins(0, 0, 6, 0)
        below.addWidget(self.place, stretch=1)
        for each in self._panels:
            if each.area is Area.TAB:
                self.tabs.addTab(each.view, each.title)
            elif each.area is Area.CORNER:
                below.addWidget(each.view)
            elif each.area is Area.ON_CANVAS:
                self._put_on_canvas(each)
            else:
                below.addWidget(self._dock_button(each))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs, stretch=1)
        layout.addLayout(below)
        layout.addWidget(self.job_bar)
        layout.addLayout(self._last_line())

    def _last_line(self) -> QHBoxLayout:
        """Return what is always in view: what the program is for, and its help."""
        self.help = HelpDialog(self)
        self.help_button = QPushButton("Help")
        self.help_button.setToolTip("A short walkthrough, and the keys")
        self.help_button.clicked.connect(lambda _: self.show_help())
        line = QHBoxLayout()
        line.setContentsMargins(6, 0, 6, 4)
        line.addWidget(QLabel(RESEARCH_ONLY), stretch=1)
        line.addWidget(self.help_button)
        return line

    def _update_help(self) -> None:
        if self.help.isVisible():
            self.help.show_help(self.panel(panels.CorrectController).keys)

    def _put_on_canvas(self, panel: Panel) -> None:
        """Place a panel on the canvas of the viewer."""
        panel.view.setParent(self)  # stays hidden without a canvas
        # napari has no public access to the widget of its canvas.
        with suppress(AttributeError):
            canvas = self._viewer.window._qt_viewer.canvas.native
            panel.view.place_on(canvas)  # type: ignore[attr-defined]

    def _dock_button(self, panel: Panel) -> QPushButton:
        """Return a button that shows and hides a panel below the canvas."""
        panel.view.setParent(self)
        panel.view.hide()
        button = QPushButton(panel.title)
        button.setCheckable(True)
        button.setToolTip(f"Show or hide: {panel.title.lower()}, below the canvas")
        button.toggled.connect(lambda on: self._dock(panel, on))
        self.dock_buttons[panel.title] = button
        return button

    def _dock(self, panel: Panel, on: bool) -> None:
        window = self._viewer.window
        if panel.view.parent() is self and on:
            window.add_dock_widget(panel.view, name=panel.title, area="bottom")
        elif not on and panel.view.parent() is not self:
            with suppress(LookupError):
                window.remove_dock_widget(panel.view)
            panel.view.setParent(self)
            panel.view.hide()

    def _follow_tab(self) -> None:
        """Keep the tab in front and the session's title of it the same."""
        titles = [self.tabs.tabText(index) for index in range(self.tabs.count())]

        def show(title: str) -> None:
            if title in titles:
                self.tabs.setCurrentIndex(titles.index(title))

        def note(index: int) -> None:
            if index >= 0:  # the tabs are not being removed
                self.session.tab = titles[index]

        note(self.tabs.currentIndex())
        self.tabs.currentChanged.connect(note)
        self.session.events.tab.connect(show)

    def _show_reading(self, text: str) -> None:
        """Show what is being read, otherwise the displayed place."""
        if text:
            self.place.setText(text)
        else:
            self.scene.emit_place()
