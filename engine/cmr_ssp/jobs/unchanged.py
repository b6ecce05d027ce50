"""Digests of the training data, which a run stores so that it is only resumed on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem, RunError
from cmr_ssp.events import Noticed, OnEvent
from cmr_ssp.runs import Provenance, Run, SeenSubjects
from cmr_ssp.samples.bank.slices import SliceBank

_ROLES = ("pretraining", "training", "validation")
_MOST_NAMED = 5


def fingerprints_of(bank: SliceBank, ids: Sequence[str]) -> dict[str, str]:
    """Return the fingerprints of subjects of the bank by id."""
    by_id = dict(zip(bank.subject_ids, bank.fingerprints, strict=True))
    return {subject_id: by_id[subject_id] for subject_id in ids}


def image_digests(bank: SliceBank, ids: Sequence[str]) -> dict[str, str]:
    """Return the digests of all frames of subjects of the bank by id."""
    by_id = dict(zip(bank.subject_ids, bank.contents, strict=True))
    return {subject_id: by_id[subject_id].images for subject_id in ids}


def label_digests(bank: SliceBank, phases: Mapping[str, Sequence[Phase]]) -> dict[str, str]:
    """Return the digests of the labels of subjects of the bank at the given phases, by id."""
    by_id = dict(zip(bank.subject_ids, bank.contents, strict=True))
    return {subject_id: by_id[subject_id].of_phases(each) for subject_id, each in phases.items()}


def require_unchanged(run: Run, before: Provenance, now: Provenance, on_event: OnEvent) -> None:
    """Check that a run is continued on the images and labels that it was started on.

    Raises
    ------
    RunError
        If images or labels changed; the error names the subjects.
    """
    complete = bool(before.images)  # earlier versions stored only a digest of the first frame
    images = {name for role in _ROLES for name in _changed(getattr(before, role), getattr(now, role))}
    images |= _changed(before.images, now.images) if complete else set()
    labels = (_changed(before.labels, now.labels) if complete else set()) - images
    problems = [_other(run, kind, names) for kind, names in (("images", images), ("labels", labels)) if names]
    if problems:
        raise RunError(*problems)
    if not complete:
        what = "was started by an earlier version, so only the first frame of each subject was compared"
        remedy = "Make sure that images and labels have not changed."
        on_event(Noticed(Problem.warning(run.folder, what, remedy)))


def _changed(before: SeenSubjects, now: SeenSubjects) -> set[str]:
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}


def _other(run: Run, kind: str, names: set[str]) -> Problem:
    listed = ", ".join(sorted(names)[:_MOST_NAMED]) + " ..." * (len(names) > _MOST_NAMED)
    what = f"was started on other {kind} of {listed}"
    return Problem(str(run.folder), what, "Restore them, or start another run.")
