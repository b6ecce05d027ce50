"""Rename and delete run folders, and write notes into them; other runs find a run by its checkpoint."""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from cmr_ssp.errors import OutputError, RunError
from cmr_ssp.runs import Run, is_claimed, is_run

RUN_NAME = re.compile(r"\w[\w.-]{0,99}")
"""Valid names of new run folders."""


def rename_run(folder: Path, name: str) -> Path:
    """Rename the folder of a run and return it; runs that started from it recognise its checkpoint.

    Raises
    ------
    RunError
        If the name is invalid or exists, or a job works in the run.
    OutputError
        If the folder cannot be renamed.
    """
    if not RUN_NAME.fullmatch(name):
        remedy = "Use letters, digits, '-', '_' and '.'."
        raise RunError.of("run", f"'{name}' is not a valid folder name", remedy)
    renamed = folder.with_name(name)
    if renamed.exists() or renamed.is_symlink():
        raise RunError.of("run", f"'{name}' already exists", "Choose another name.")
    _move(folder, renamed)
    return renamed


def delete_run(folder: Path) -> None:
    """Delete the folder of a run.

    Raises
    ------
    RunError
        If it is not a run, or a job works in it.
    OutputError
        If a part of it remains.
    """
    if folder.is_symlink():  # what it points to belongs to somebody else
        raise RunError.of(folder, "is a link to a run elsewhere", "Delete it manually.")
    doomed = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.deleted")
    _move(folder, doomed)  # first, so that no half of a run is listed
    shutil.rmtree(doomed, ignore_errors=True)
    if doomed.exists():
        raise OutputError.of(doomed, "it could not be deleted completely", "Delete it manually.")


def write_note(folder: Path, note: str) -> None:
    """Write the note of a run, or remove it if it is empty.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    Run(folder).write_note(note.strip())


def _move(folder: Path, target: Path) -> None:
    if not is_run(folder):
        raise RunError.of(folder, "is not a run", "Refresh the list.")
    if is_claimed(Run(folder)):
        raise RunError.of(folder, "a job is working in it", "Wait until it has ended.")
    try:
        folder.rename(target)
    except OSError as error:
        what = f"it cannot be moved ({error.strerror})"
        raise OutputError.of(folder, what, "Close programs that use it.") from error
