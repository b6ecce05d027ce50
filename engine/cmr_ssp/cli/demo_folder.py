"""The folder of a demo: the next demo removes what an earlier one made there, and nothing else."""

from __future__ import annotations

from pathlib import Path

from cmr_ssp.made_folder import MadeFolder

PARTS = ("cohort", "banks", "runs", "scores.csv", "overlays.png")
"""All that a demo writes beside its list."""

_FOLDER = MadeFolder(
    "demo.txt", "cmr-ssp demo", "demo", "Choose another --out folder, or remove it yourself."
)


def clear(folder: Path) -> None:
    """Remove what an earlier demo made; the folder itself stays.

    Raises
    ------
    OutputError
        If something is there that no demo made, or that was changed since: nothing is removed then.
    """
    _FOLDER.clear(folder)


def record(folder: Path) -> None:
    """List the files that a demo made; the next one may remove them as long as they stay as they are.

    Raises
    ------
    OutputError
        If the list cannot be written.
    """
    _FOLDER.record(folder, [folder / part for part in PARTS])
