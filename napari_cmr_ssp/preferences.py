"""Preferences of the plugin in napari's settings: device, threads, workspace and keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs
from cmr_ssp.runs import is_run
from psygnal import Signal

_PLUGIN = "napari-cmr-ssp"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Settings of the plugin in *Preferences > Plugins*.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int
        Number of CPU threads of a job.
    workspace : Path
        Folder for runs and labels.
    keys : Mapping of str to str
        Chosen key of each action on contours, such as ``copy to base``; missing ones are the default.
    scheduler : str
        Address of a scheduler of dask for trainings; empty for this machine.
    """

    device: str
    threads: int
    workspace: Path
    keys: Mapping[str, str] = field(default_factory=dict, hash=False)
    scheduler: str = ""

    @property
    def runs(self) -> Path:
        """Folder of new runs, see `runs_folder`."""
        return runs_folder(self.workspace)

    @property
    def history(self) -> Path:
        """File with the last jobs, beside the runs."""
        return self.runs / "jobs.json"


class CurrentPreferences:
    """The current preferences; `changed` is emitted when a setting changes.

    Parameters
    ----------
    fixed : Preferences, optional
        Preferences that replace napari's settings.
    """

    changed = Signal()

    def __init__(self, fixed: Preferences | None = None) -> None:
        self._fixed = fixed
        self._stop_following = None if fixed else on_change(self.changed.emit)

    @property
    def now(self) -> Preferences:
        """Current device, threads, workspace and keys."""
        return self._fixed or read_preferences()

    def override(self, preferences: Preferences) -> None:
        """Use these preferences instead of napari's settings from now on."""
        self._fixed = preferences

    def choose_workspace(self, folder: Path) -> None:
        """Change the workspace."""
        if self._fixed is None:
            store_workspace(folder)  # emits `changed`
        else:
            self._fixed = replace(self._fixed, workspace=folder)
            self.changed.emit()

    def close(self) -> None:
        """Stop following napari's settings."""
        if self._stop_following is not None:
            self._stop_following()
            self._stop_following = None


def read_preferences() -> Preferences:
    """Read napari's settings; empty values get their defaults."""
    from napari.settings import get_plugin_settings

    settings = get_plugin_settings(_PLUGIN)
    stored, keys = settings.jobs, settings.contour_keys.model_dump()
    workspace = Path(stored.workspace).expanduser() if stored.workspace else default_workspace()
    chosen = {name.replace("_", " "): str(key) for name, key in keys.items()}
    threads = stored.threads or free_threads()
    return Preferences(stored.device, threads, workspace, chosen, stored.scheduler.strip())


def store_workspace(folder: Path) -> None:
    """Store a folder as the workspace in napari's settings."""
    from napari.settings import get_plugin_settings

    get_plugin_settings(_PLUGIN).jobs.workspace = str(folder)


def on_change(callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback` whenever a setting changes; return a function that disconnects it."""
    from napari.settings import get_plugin_settings

    def changed(_: object) -> None:
        callback()

    events = get_plugin_settings(_PLUGIN).events.changed
    events.connect(changed)
    return lambda: events.disconnect(changed)


def runs_folder(workspace: Path) -> Path:
    """Return the folder of the runs; a workspace may also be that folder itself or one of its runs."""
    if is_run(workspace):
        return workspace.parent
    inside = workspace / "runs"
    with suppress(OSError):
        if not inside.is_dir() and any(is_run(folder) for folder in workspace.iterdir()):
            return workspace
    return workspace if workspace.name == "runs" and not inside.is_dir() else inside


def default_workspace() -> Path:
    """Return the default workspace in the documents folder of the user."""
    return Path(platformdirs.user_documents_dir()) / "cmr-ssp"


def free_threads() -> int:
    """Return the number of processors minus one, which remains for the window."""
    return max(1, (os.cpu_count() or 2) - 1)
