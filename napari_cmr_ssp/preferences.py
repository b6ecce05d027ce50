"""What the user set once for all: device, threads and workspace, in napari's own preferences."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

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
        """Where new runs go."""
        return self.workspace / "runs"


def read_preferences() -> Preferences:
    """Read napari's settings; what is left empty there gets its default here."""
    from napari.settings import get_plugin_settings

    stored = get_plugin_settings(_PLUGIN).jobs
    workspace = Path(stored.workspace).expanduser() if stored.workspace else default_workspace()
    return Preferences(stored.device, stored.threads or free_threads(), workspace)


def default_workspace() -> Path:
    """Return the folder in the user's documents that runs go to unless another is set."""
    return Path(platformdirs.user_documents_dir()) / "cmr-ssp"


def free_threads() -> int:
    """Return all processors but one, which is left to the window."""
    return max(1, (os.cpu_count() or 2) - 1)
