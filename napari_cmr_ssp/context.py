"""What every panel is given: all that panels share goes through it, since no panel knows another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from cmr_ssp.errors import Problem

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_cmr_ssp.jobs.desk import JobDesk
    from napari_cmr_ssp.preferences import CurrentPreferences
    from napari_cmr_ssp.scene.scene import Scene
    from napari_cmr_ssp.session import Session

NO_EXAM = Problem("exam", "none is shown", "Double click a subject under Data, or drop a file on the canvas.")


@dataclass(frozen=True, slots=True)
class Context:
    """Where a panel finds what the others do.

    Attributes
    ----------
    session : Session
        Cohort, split, ticks, selected subjects, shown exam and runs; tells of changes.
    scene : Scene
        The layers in the viewer.
    desk : JobDesk
        Takes jobs, and gives what they return to who asked.
    preferences : CurrentPreferences
        Device, threads and workspace as they are set now.
    """

    session: Session
    scene: Scene
    desk: JobDesk
    preferences: CurrentPreferences


class Panel(Protocol):
    """A part of the workbench: a view, which shows and asks, and this controller, which acts.

    Attributes
    ----------
    title : str
        Of its tab. A panel without one stands below the tabs, at the right.
    view : QWidget
        Knows no job and no file.
    """

    title: ClassVar[str]

    @classmethod
    def make(cls, context: Context) -> Self:
        """Make the view, and the controller that acts on it."""

    @property
    def view(self) -> QWidget:
        """What is shown."""
