"""Open folders in the file manager of the system."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices


def open_folder(folder: Path) -> bool:
    """Open a folder; return False if it does not exist or the system has no file manager."""
    return folder.is_dir() and bool(QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
