"""Drafts: unsaved contours of an exam, written every few seconds so that a crash loses little.

A draft is one compressed NumPy archive in a folder of the workspace. It is named after the digest of the
cine, so that no patient's name enters a file name and a draft finds its exam wherever the images lie.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.atomic import write_bytes
from cmr_ssp.editing.states import ContourState, ContourStates
from cmr_ssp.errors import LabelError

_FORMAT = "cmr-ssp draft 1"
_DIGITS = 32
_MAX_METADATA = 1 << 20
_UNREADABLE = (OSError, LookupError, TypeError, ValueError, EOFError, RecursionError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """Contours of an exam that were not saved yet.

    Attributes
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    states : ContourStates
        Of these contours.
    about : Mapping of str to str
        What they descend from: `run`, `checkpoint` and `file` of a prediction; and `images`, a digest of
        where the images lie, by which a list finds the drafts of a cohort without reading its cines.
    """

    labels: NDArray[np.uint8]
    states: ContourStates
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DraftNote:
    """What is known of a draft without reading its labels.

    Attributes
    ----------
    images : str
        Digest of where the images lie; empty in drafts of earlier versions.
    frames : frozenset of int
        Frames with contours.
    written_ns : int
        When it was written, in nanoseconds since 1970.
    """

    images: str
    frames: frozenset[int]
    written_ns: int


def draft_path(folder: Path, cine: str) -> Path:
    """Return where the draft of a cine lies, which `cine_digest` identifies."""
    return folder / f"{cine[:_DIGITS]}.npz"


def write_draft(folder: Path, cine: str, draft: Draft) -> Path:
    """Write the draft of a cine in place of its last one.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    archive = io.BytesIO()
    text = json.dumps({"format": _FORMAT, "cine": cine, "about": dict(draft.about)})
    np.savez_compressed(
        archive,
        labels=draft.labels,
        states=draft.states.array,
        metadata=np.frombuffer(text.encode(), np.uint8),
    )
    path = draft_path(folder, cine)
    write_bytes(path, archive.getvalue())
    return path


def read_draft(folder: Path, cine: str, shape: tuple[int, ...]) -> Draft | None:
    """Return the draft of a cine, None if there is none.

    Parameters
    ----------
    folder : Path
        Of drafts.
    cine : str
        Its `cine_digest`.
    shape : tuple of int
        Frames, slices, rows and columns of the cine.

    Raises
    ------
    LabelError
        If the draft is damaged or belongs to another cine.
    """
    path = draft_path(folder, cine)
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if (
                sum(entry.file_size for entry in archive.zip.infolist())
                > 2 * math.prod(shape) + _MAX_METADATA
            ):
                raise ValueError("it is larger than its cine allows")
            tree = json.loads(archive["metadata"].tobytes())
            labels, states = archive["labels"], archive["states"]
        if tree["format"] != _FORMAT or tree["cine"] != cine:
            raise ValueError("it belongs to another exam or format")
        _check(labels, states, shape)
        about = {str(key): str(value) for key, value in tree["about"].items()}
    except _UNREADABLE as error:
        what = f"this draft of contours cannot be read ({error})"
        raise LabelError.of(path, what, "Move the file away; the exam then opens without it.") from None
    return Draft(labels, ContourStates(states), about)


def list_drafts(folder: Path) -> tuple[DraftNote, ...]:
    """Return what is known of every draft in a folder; damaged ones are left out."""
    notes = (_note(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.npz")))
    return tuple(note for note in notes if note is not None)


@lru_cache(maxsize=4096)
def _note(path: Path, written_ns: int) -> DraftNote | None:
    """Read the metadata and states of a draft, cached while its file is unchanged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            small = [archive.zip.getinfo(f"{name}.npy") for name in ("metadata", "states")]
            if sum(entry.file_size for entry in small) > _MAX_METADATA:
                return None
            tree, states = json.loads(archive["metadata"].tobytes()), archive["states"]
        frames = np.flatnonzero(states.reshape(len(states), -1).any(axis=1))
        return DraftNote(str(tree["about"].get("images", "")), frozenset(frames.tolist()), written_ns)
    except (*_UNREADABLE, AttributeError):
        return None  # the exam reports it when its draft is continued


def remove_draft(folder: Path, cine: str) -> None:
    """Remove the draft of a cine, if there is one: its contours were saved or discarded."""
    draft_path(folder, cine).unlink(missing_ok=True)


def _check(labels: NDArray[np.uint8], states: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    if labels.shape != tuple(shape) or states.shape != (*shape[:2], len(Structure)):
        raise ValueError("it has another shape than its cine")
    if labels.dtype != np.uint8 or states.dtype != np.uint8:
        raise ValueError("it has other numbers than labels")
    if labels.max(initial=0) > max(Structure) or states.max(initial=0) > max(ContourState):
        raise ValueError("it has unknown structures or states")
