"""The context that all panels share, and the protocol of a panel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from cmr_ssp.errors import Problem

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_cmr_ssp.jobs.desk import JobDesk
    from napari_cmr_ssp.measuring import Measuring
    from napari_cmr_ssp.preferences import CurrentPreferences
    from napari_cmr_ssp.scene.scene import Scene
    from napari_cmr_ssp.session import Session

NO_EXAM = Problem("exam", "none is open", "Double click a subject under Data, or drop a file on the canvas.")


@dataclass(frozen=True, slots=True)
class Context:
    """State and services that panels share; panels do not refer to each other.

    Attributes
    ----------
    session : Session
        Cohort, split, ticks, selected subjects, displayed exam and runs, with signals for changes.
    scene : Scene
        Layers in the viewer.
    desk : JobDesk
        Runs jobs in the background and passes their results to callbacks.
    preferences : CurrentPreferences
        Current device, threads and workspace.
    measuring : Measuring
        Volumes and function of the shown segmentation.
    """

    session: Session
    scene: Scene
    desk: JobDesk
    preferences: CurrentPreferences
    measuring: Measuring


class Area(Enum):
    """Where a panel is placed: in a tab, below the tabs at the right, in a dock below the canvas, or on it.

    A view on the canvas has a method `place_on` that takes the widget of the canvas.
    """

    TAB = "tab"
    CORNER = "corner"
    BELOW_CANVAS = "below canvas"
    ON_CANVAS = "on canvas"


class Panel(Protocol):
    """Controller of a panel of the workbench; its panel view is the Qt widget of the panel.

    Attributes
    ----------
    title : str
        Title of its tab or dock.
    area : Area
        Where the workbench places it.
    view : QWidget
        Panel view; accesses no jobs and no files.
    """

    title: ClassVar[str]
    area: ClassVar[Area]

    @classmethod
    def make(cls, context: Context) -> Self:
        """Create the panel view and its controller."""

    @property
    def view(self) -> QWidget:
        """The panel view."""
