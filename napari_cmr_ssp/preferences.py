"""What the user set once for all: device, threads and workspace, in napari's own preferences."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs
from cmr_ssp.runs import is_run
from psygnal import Signal

_PLUGIN = "napari-cmr-ssp"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The plugin's part of *Preferences > Plugins*.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int
        Processor threads of a job.
    workspace : Path
        Folder that gets the runs.
    """

    device: str
    threads: int
    workspace: Path

    @property
    def runs(self) -> Path:
        """Where new runs go: ``runs`` in the workspace, or what was named in its place."""
        return runs_folder(self.workspace)


class CurrentPreferences:
    """The preferences as they are now; `changed` tells of another setting.

    Parameters
    ----------
    fixed : Preferences, optional
        What holds instead of napari's settings.
    """

    changed = Signal()

    def __init__(self, fixed: Preferences | None = None) -> None:
        self._fixed = fixed
        self._stop_following = None if fixed else when_changed(self.changed.emit)

    @property
    def now(self) -> Preferences:
        """Device, threads and workspace."""
        return self._fixed or read_preferences()

    def fix(self, preferences: Preferences) -> None:
        """Let these hold from now on, whatever napari's settings are."""
        self._fixed = preferences

    def choose_workspace(self, folder: Path) -> None:
        """Take another folder for the runs."""
        if self._fixed is None:
            store_workspace(folder)  # which tells of the change
        else:
            self._fixed = replace(self._fixed, workspace=folder)
            self.changed.emit()

    def close(self) -> None:
        """Follow napari's settings no longer."""
        if self._stop_following is not None:
            self._stop_following()
            self._stop_following = None


def read_preferences() -> Preferences:
    """Read napari's settings; what is left empty there gets its default here."""
    from napari.settings import get_plugin_settings

    stored = get_plugin_settings(_PLUGIN).jobs
    workspace = Path(stored.workspace).expanduser() if stored.workspace else default_workspace()
    return Preferences(stored.device, stored.threads or free_threads(), workspace)


def store_workspace(folder: Path) -> None:
    """Make a folder the workspace in napari's settings."""
    from napari.settings import get_plugin_settings

    get_plugin_settings(_PLUGIN).jobs.workspace = str(folder)


def when_changed(act: Callable[[], None]) -> Callable[[], None]:
    """Act whenever one of the settings changes; returns what ends that."""
    from napari.settings import get_plugin_settings

    def changed(_: object) -> None:
        act()

    events = get_plugin_settings(_PLUGIN).events.changed
    events.connect(changed)
    return lambda: events.disconnect(changed)


def runs_folder(workspace: Path) -> Path:
    """Return where the runs of a workspace lie; naming that folder itself, or one of its runs, is as good."""
    if is_run(workspace):
        return workspace.parent
    inside = workspace / "runs"
    with suppress(OSError):
        if not inside.is_dir() and any(is_run(folder) for folder in workspace.iterdir()):
            return workspace
    return workspace if workspace.name == "runs" and not inside.is_dir() else inside


def default_workspace() -> Path:
    """Return the folder in the user's documents that runs go to unless another is set."""
    return Path(platformdirs.user_documents_dir()) / "cmr-ssp"


def free_threads() -> int:
    """Return all processors but one, which is left to the window."""
    return max(1, (os.cpu_count() or 2) - 1)
