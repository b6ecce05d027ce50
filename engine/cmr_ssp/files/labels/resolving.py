"""Resolve subjects: confirm or correct the frames of their labels from the pixels."""

from __future__ import annotations

from dataclasses import fields

from cmr_ssp.files.labels.phases import find_phases, in_phase_order, label_sources
from cmr_ssp.files.labels.placing import placed
from cmr_ssp.subjects import FrameSource, LabelSource, ResolvedLabel, ResolvedSubject, Subject

_LISTED = tuple(field.name for field in fields(Subject) if field.name != "labels")
_LABEL = tuple(field.name for field in fields(LabelSource))


def resolve_subject(subject: Subject) -> ResolvedSubject:
    """Correct the labelled frames of a listed subject from the pixels.

    This reads 4D label files, and cines with labels on separate volumes; other subjects need no reading.
    Results are cached while the files are unchanged.

    Parameters
    ----------
    subject : Subject
        A listed subject; a resolved subject is returned unchanged.

    Returns
    -------
    ResolvedSubject
        The subject with confirmed labels; `problems` has warnings about corrections.

    Raises
    ------
    LabelError, ImageError
        If a file cannot be read.
    """
    if isinstance(subject, ResolvedSubject):
        return subject
    labels, problems = placed(subject)
    indexed = [(label, label.source) for label in labels if isinstance(label.source, FrameSource)]
    found = [label for label in labels if not isinstance(label.source, FrameSource)]
    replaced = {label.phase for label in found}  # replaces the label in the 4D file
    for path in dict.fromkeys(source.path for _, source in indexed):
        here: list[LabelSource] = [label for label, source in indexed if source.path == path]
        frames, wrong = find_phases(path, {label.phase: label.listed_frame for label in here})
        frames = {phase: frame for phase, frame in frames.items() if phase not in replaced}
        found += label_sources(path, frames, here[0].numbering)
        problems += wrong
    listed = {name: getattr(subject, name) for name in _LISTED}
    kept = in_phase_order(found) if indexed else found
    confirmed = tuple(map(_confirmed, kept))
    return ResolvedSubject(**listed, labels=confirmed, problems=tuple(problems))


def _confirmed(label: LabelSource) -> ResolvedLabel:
    return ResolvedLabel(**{name: getattr(label, name) for name in _LABEL})
