"""The installed packages, for who wants to repeat an experiment with the same ones."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

from cmr_ssp.atomic import write_text

LOCK_FILE = "environment.txt"
"""Name of the list in an experiment folder, in the form of a requirements file of pip."""


def write_environment(folder: Path) -> None:
    """Write the installed packages and their versions; only names and versions, no paths.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    found = {(each.metadata["Name"] or "").lower(): each.version for each in distributions()}
    lines = (f"{name}=={version}\n" for name, version in sorted(found.items()) if name)
    write_text(folder / LOCK_FILE, "".join(lines))
