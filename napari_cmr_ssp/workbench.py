"""The workbench: makes session, scene, desk and panels, and lays the panels out."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtCore import QCoreApplication
from qtpy.QtWidgets import QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from napari_cmr_ssp import panels
from napari_cmr_ssp.context import Context, Panel
from napari_cmr_ssp.io.saving import offer_nifti_first
from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.desk import JobDesk
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.jobs.worker import preload
from napari_cmr_ssp.preferences import CurrentPreferences, Preferences
from napari_cmr_ssp.scene.scene import Scene, Viewer
from napari_cmr_ssp.session import Session
from napari_cmr_ssp.widgets.status_line import StatusLine

_P = TypeVar("_P", bound=Panel)


class Workbench(QWidget):
    """Pick subjects and phases, pretrain and fine-tune in the background, see the overlay and its Dice.

    Parameters
    ----------
    napari_viewer : Viewer
        Where exams are shown; napari passes it.
    preferences : Preferences, optional
        Read from napari's settings, whenever a job starts, unless given.

    Attributes
    ----------
    session : Session
        What the window is about.
    scene : Scene
        What the viewer shows of it.
    desk : JobDesk
        What is being done.
    tabs : QTabWidget
        A tab for every panel with a title.
    """

    def __init__(self, napari_viewer: Viewer, preferences: Preferences | None = None) -> None:
        super().__init__()
        self._is_open = True
        self.session, self.scene = Session(), Scene(napari_viewer)
        self.place, self.job_bar = StatusLine(), JobBar()
        self.desk = JobDesk(self.job_bar, self)
        self._preferences = CurrentPreferences(preferences)
        self.scene.moved.connect(self.place.setText)
        self.desk.reading.connect(self._show_reading)
        context = Context(self.session, self.scene, self.desk, self._preferences)
        self._panels = [kind.make(context) for kind in panels.PANELS]
        self._lay_out()
        offer_nifti_first()
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close_down)
        self.desk.compute(Job("Load torch", preload, is_silent=True))

    @property
    def preferences(self) -> Preferences:
        """Device, threads and workspace as they are set now."""
        return self._preferences.now

    @preferences.setter
    def preferences(self, preferences: Preferences) -> None:
        self._preferences.fix(preferences)

    def panel(self, kind: type[_P]) -> _P:
        """Return a panel by its class.

        Raises
        ------
        KeyError
            Where the workbench has no such panel.
        """
        for each in self._panels:
            if isinstance(each, kind):
                return each
        raise KeyError(kind.__name__)

    def close_down(self) -> None:
        """Stop jobs and wait a little; what they did so far is on disk."""
        if self._is_open:
            self._is_open = False
            self._preferences.close()
            self.scene.close()
            self.desk.close()

    def _lay_out(self) -> None:
        self.tabs = QTabWidget()
        below = QHBoxLayout()
        below.setContentsMargins(0, 0, 6, 0)
        below.addWidget(self.place, stretch=1)
        for each in self._panels:
            if each.title:
                self.tabs.addTab(each.view, each.title)
            else:
                below.addWidget(each.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs, stretch=1)
        layout.addLayout(below)
        layout.addWidget(self.job_bar)

    def _show_reading(self, text: str) -> None:
        """Say what is being read, else what is shown."""
        if text:
            self.place.setText(text)
        else:
            self.scene.tell_place()
