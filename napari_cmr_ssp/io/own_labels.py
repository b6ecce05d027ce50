"""Which label versions and drafts of the user exist, without reading images."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.editing.drafts import DraftNote, list_drafts
from cmr_ssp.errors import CmrSspError
from cmr_ssp.files import list_versions, open_stack
from cmr_ssp.files.formats.nifti import read_header
from cmr_ssp.files.versions.origin import LabelVersion
from cmr_ssp.files.versions.versions import newest_versions
from cmr_ssp.subjects import Subject, same_affine


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """Labels of one phase that the user made.

    Attributes
    ----------
    version : int
        Number of the newest label version, counted from 1; 0 if there is none.
    drafted : str
        When a draft was written after that version; empty if there is none.
    """

    version: int = 0
    drafted: str = ""


OwnByPhase = Mapping[Phase, OwnLabels]


def own_labels(subjects: Collection[Subject], labels: Path, drafts: Path) -> dict[str, OwnByPhase]:
    """List the user's own labels of subjects.

    Parameters
    ----------
    subjects : collection of Subject
        Of one cohort.
    labels, drafts : Path
        Folders of label versions and drafts; they need not exist.

    Returns
    -------
    dict
        By subject id; empty for a subject without own labels.
    """
    ids = {subject.id for subject in subjects}
    versions = newest_versions(list_versions(labels, ids)[0]) if labels.is_dir() else {}
    notes = {note.images: note for note in list_drafts(drafts) if note.images}
    found: dict[str, OwnByPhase] = {}
    for subject in subjects:
        note = notes.get(images_digest(subject)) if notes else None
        mine = [versions[subject.id, phase] for phase in Phase if (subject.id, phase) in versions]
        own = {version.phase: version for version in mine if _fits(version, subject)}
        phases = {phase: _own(subject, phase, own.get(phase), note) for phase in Phase}
        found[subject.id] = {phase: each for phase, each in phases.items() if each != OwnLabels()}
    return found


def images_digest(subject: Subject) -> str:
    """Return a digest of where the images of a subject lie, which contains no name."""
    places = [(str(frame.path), getattr(frame, "index", 0)) for frame in subject.frames]
    return hashlib.sha256(repr((places, subject.sorting)).encode()).hexdigest()


def _own(subject: Subject, phase: Phase, version: LabelVersion | None, note: DraftNote | None) -> OwnLabels:
    number = version.number if version is not None else 0
    if note is None or not _concerns(note, subject, phase, version):
        return OwnLabels(number)
    if version is not None and version.path.stat().st_mtime_ns >= note.written_ns:
        return OwnLabels(number)
    return OwnLabels(number, datetime.fromtimestamp(note.written_ns / 1e9).strftime("%Y-%m-%d %H:%M"))


def _concerns(note: DraftNote, subject: Subject, phase: Phase, version: LabelVersion | None) -> bool:
    """Return whether a draft has contours at a phase; if its frame is not known, whether it has any."""
    label = subject.label(phase)
    frame = version.frame if version is not None else label.stated_frame if label is not None else None
    return bool(note.frames) if frame is None else frame in note.frames


def _fits(version: LabelVersion, subject: Subject) -> bool:
    """Return whether a version was drawn on this cine; ids such as 001 occur in several cohorts."""
    try:
        return same_affine(read_header(version.path).affine, open_stack(subject).grid.affine)
    except CmrSspError:
        return False
