"""The output folder of the demo; a new demo removes the files of an earlier one and nothing else."""

from __future__ import annotations

from pathlib import Path

from cmr_ssp.made_folder import MadeFolder

PARTS = ("cohort", "banks", "runs", "scores.csv", "overlays.png")
"""Everything that a demo writes, except the list of its files."""

_FOLDER = MadeFolder(
    "demo.txt", "cmr-ssp demo", "demo", "Choose another --out folder, or remove the files yourself."
)


def clear(folder: Path) -> None:
    """Remove the files of an earlier demo, but not the folder itself.

    Raises
    ------
    OutputError
        If the folder contains other or changed files; nothing is removed then.
    """
    _FOLDER.clear(folder)


def write_list(folder: Path) -> None:
    """Write the list of the demo's files, which the next demo may remove while they are unchanged.

    Raises
    ------
    OutputError
        If the list cannot be written.
    """
    _FOLDER.write_list(folder, [folder / part for part in PARTS])
