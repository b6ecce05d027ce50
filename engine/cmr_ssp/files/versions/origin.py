"""What is kept beside a label version, as JSON: where it comes from, and nothing of any person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import LabelError
from cmr_ssp.subjects import Origin

_FORMAT = "cmr-ssp label 1"
_MAX_BYTES = 1 << 16
_UNREADABLE = (OSError, LookupError, TypeError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class LabelVersion:
    """One version of the labels of a subject's phase.

    Attributes
    ----------
    subject, phase : str, Phase
        Whose, and which.
    number : int
        From 1; 0 is the prediction that the first correction came from, which is never used as labels.
    path : Path
        The label file, ``vNNN.nii.gz``.
    frame : int
        0-based frame of the subject's cine.
    origin : Origin
        Manual, imported, corrected, or (of number 0 only) predicted.
    checkpoints : tuple of str
        SHA-256 of every checkpoint whose prediction this is or descends from; of labels, empty unless
        corrected.
    drawn : frozenset of Structure
        What has a voxel.
    after : int or None
        The version that was the newest before.
    made : str
        Date and time, UTC, ISO 8601.
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

    @property
    def name(self) -> str:
        """As in ``v003``."""
        return name_of(self.number)


def name_of(number: int) -> str:
    """Return what the files of a version are called."""
    return f"v{number:03d}"


def metadata_path(labels: Path) -> Path:
    """Return where the record of a label file lies."""
    return labels.with_name(labels.name.removesuffix(".nii.gz") + ".json")


def metadata_text(version: LabelVersion) -> str:
    """Return a version's record; subject, phase and number are told by its place."""
    tree = {
        "format": _FORMAT,
        "frame": version.frame,
        "origin": version.origin.value,
        "checkpoints": list(version.checkpoints),
        "drawn": [structure.name for structure in sorted(version.drawn)],
        "after": version.after,
        "made": version.made,
    }
    return json.dumps(tree, indent=1) + "\n"


def read_metadata(subject: str, phase: Phase, number: int, labels: Path) -> LabelVersion:
    """Read the record of a version.

    Raises
    ------
    LabelError
        If it is damaged, or its label file is missing.
    """
    path = metadata_path(labels)
    remedy = "Put both files of this version back, or move both away."
    if not labels.is_file():
        raise LabelError.of(labels, "it is missing, but its record is there", remedy)
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
        )
        _check(version)
    except _UNREADABLE as error:
        raise LabelError.of(path, f"it is no record of a label version ({error})", remedy) from None
    return version


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number")
    return value


def _check(version: LabelVersion) -> None:
    """Refuse what would let labels pass as independent of the run that they come from."""
    predicted, descends = version.origin is Origin.PREDICTED, bool(version.checkpoints)
    if predicted != (version.number == 0) or version.origin is Origin.DATA_SET:
        raise ValueError(f"{version.name} cannot be {version.origin}")
    if descends != (version.origin in (Origin.PREDICTED, Origin.CORRECTED)):
        raise ValueError(f"{version.origin}, with {len(version.checkpoints)} checkpoints")
