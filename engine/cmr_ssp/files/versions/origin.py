"""Metadata of a label version as JSON: its origin, without personal data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import LabelError
from cmr_ssp.subjects import Origin

_FORMAT = "cmr-ssp label 1"
_MAX_BYTES = 1 << 16
_UNREADABLE = (OSError, LookupError, TypeError, ValueError, RecursionError)


ContourTitles = Mapping[str, tuple[str, ...]]
"""State of the contour in each slice, such as ``accepted``, by the name of the structure."""


@dataclass(frozen=True, slots=True)
class LabelVersion:
    """One version of the labels of one subject and phase.

    Attributes
    ----------
    subject, phase : str, Phase
        Subject and phase.
    number : int
        Counted from 1; 0 is the prediction of the first correction, never used as labels.
    path : Path
        The label file, ``vNNN.nii.gz``.
    frame : int
        0-based frame of the subject's cine.
    origin : Origin
        Manual, imported, corrected, or (only number 0) predicted.
    checkpoints : tuple of str
        SHA-256 of every checkpoint from which this prediction or label descends; empty for labels that are
        not corrected.
    drawn : frozenset of Structure
        Structures with voxels.
    after : int or None
        Number of the previous version.
    made : str
        Date and time, UTC, ISO 8601.
    states : Mapping of str to tuple of str
        State of the contour in each slice, such as ``accepted``, by structure; empty if nobody kept them.
    """

    subject: str
    phase: Phase
    number: int
    path: Path
    frame: int
    origin: Origin
    checkpoints: tuple[str, ...]
    drawn: frozenset[Structure]
    after: int | None
    made: str
    states: ContourTitles = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """Name, such as ``v003``."""
        return name_of(self.number)


def name_of(number: int) -> str:
    """Return the name of the files of a version."""
    return f"v{number:03d}"


def metadata_path(labels: Path) -> Path:
    """Return the path of the metadata of a label file."""
    return labels.with_name(labels.name.removesuffix(".nii.gz") + ".json")


def metadata_text(version: LabelVersion) -> str:
    """Return the metadata of a version as JSON; its path has subject, phase and number."""
    tree = {
        "format": _FORMAT,
        "frame": version.frame,
        "origin": version.origin.value,
        "checkpoints": list(version.checkpoints),
        "drawn": [structure.name for structure in sorted(version.drawn)],
        "after": version.after,
        "made": version.made,
        "states": {name: list(titles) for name, titles in version.states.items()},
    }
    return json.dumps(tree, indent=1) + "\n"


def read_metadata(subject: str, phase: Phase, number: int, labels: Path) -> LabelVersion:
    """Read the metadata of a version.

    Raises
    ------
    LabelError
        If the metadata is damaged, or the label file is missing.
    """
    path = metadata_path(labels)
    remedy = "Restore both files of this version, or move both away."
    if not labels.is_file():
        raise LabelError.of(labels, "it is missing, but its metadata exists", remedy)
    try:
        with path.open(encoding="utf-8") as file:
            tree = json.loads(file.read(_MAX_BYTES))
        if tree["format"] != _FORMAT:
            raise ValueError("another format")
        version = LabelVersion(
            subject,
            phase,
            number,
            labels,
            _whole(tree["frame"]),
            Origin(tree["origin"]),
            tuple(str(digest) for digest in tree["checkpoints"]),
            frozenset(Structure[name] for name in tree["drawn"]),
            None if tree["after"] is None else _whole(tree["after"]),
            str(tree["made"]),
            _states(tree.get("states", {})),
        )
        _check(version)
    except _UNREADABLE as error:
        raise LabelError.of(path, f"it is not the metadata of a label version ({error})", remedy) from None
    return version


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a number")
    return value


def _states(tree: Mapping[str, list[str]]) -> ContourTitles:
    """Return the states of contours; earlier versions of the program wrote none."""
    return {Structure[name].name: tuple(map(str, titles)) for name, titles in tree.items()}


def _check(version: LabelVersion) -> None:
    """Check the lineage, so that corrected labels cannot seem independent of their run."""
    predicted, descends = version.origin is Origin.PREDICTED, bool(version.checkpoints)
    if predicted != (version.number == 0) or version.origin is Origin.DATA_SET:
        raise ValueError(f"{version.name} cannot be {version.origin}")
    if descends != (version.origin in (Origin.PREDICTED, Origin.CORRECTED)):
        raise ValueError(f"{version.origin}, with {len(version.checkpoints)} checkpoints")
