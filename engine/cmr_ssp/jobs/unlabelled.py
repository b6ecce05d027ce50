"""Unlabelled subjects that train by pseudo-labels beside the labelled ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import CohortError, LabelError, Problem, RunError
from cmr_ssp.finetuning.pseudo_labels import PseudoLabels
from cmr_ssp.jobs.unchanged import fingerprints_of
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.subjects import Cohort, Role, Split, Subject

_MAKE_AGAIN = "Make the pseudo-labels again from these cines."


@dataclass(frozen=True, slots=True, eq=False)
class Unlabelled:
    """Subjects with pseudo-labels.

    Attributes
    ----------
    subjects : Cohort
        Subjects that have them, and perhaps others.
    labels : PseudoLabels
        The pseudo-labels.
    """

    subjects: Cohort
    labels: PseudoLabels

    def chosen(self, split: Split, labelled: Collection[str]) -> tuple[Subject, ...]:
        """Return the subjects that have pseudo-labels.

        Raises
        ------
        CohortError
            If one is missing, is labelled for this training, or is a validation or test subject.
        """
        known = {subject.id for subject in self.subjects.subjects}
        problems = []
        for name in self.labels.subject_ids:
            if name not in known:
                problems.append(
                    Problem(name, "has pseudo-labels, but its cine is missing", "Add its folder.")
                )
            elif name in labelled:
                what = "has pseudo-labels, and labels that train"
                problems.append(Problem(name, what, "Make the pseudo-labels with the same label budget."))
            elif split.role(name) in (Role.TEST, Role.VALIDATION):
                what = f"has pseudo-labels, but is a {split.role(name)} subject"
                problems.append(Problem(name, what, "Make the pseudo-labels with the same split."))
        if problems:
            raise CohortError(*problems)
        return self.subjects.select(self.labels.subject_ids).subjects

    def put_into(self, bank: SliceBank) -> tuple[SliceBank, NDArray[np.int64]]:
        """Return a bank with the pseudo-labels, and the indices of their slices.

        Raises
        ------
        LabelError
            If a cine is not the one that was segmented.
        """
        names = self.labels.subject_ids
        seen = fingerprints_of(bank, names)
        changed = [name for name in names if seen[name] != self.labels.fingerprints[name]]
        if changed:
            what = "is not the cine that has the pseudo-labels"
            raise LabelError(*(Problem(name, what, _MAKE_AGAIN) for name in changed))
        try:
            added = bank.with_labels(self.labels.frames)
        except ValueError as error:
            raise LabelError.of("pseudo-labels", str(error), _MAKE_AGAIN) from error
        indices = [
            index
            for (name, frame) in self.labels.frames
            for index in added.samples([name])
            if added.index["frame"][index] == frame
        ]
        return added, np.array(indices, np.int64)

    def noted(self, provenance: Provenance, bank: SliceBank) -> Provenance:
        """Return the provenance with everything that the pseudo-labels come from; they are no labels."""
        made_of = {**self.labels.seen, **fingerprints_of(bank, self.labels.subject_ids)}
        return replace(
            provenance,
            pretraining={**provenance.pretraining, **made_of},
            ancestors=(*provenance.ancestors, self.labels.made_by, *self.labels.ancestors),
            pseudo_labels=self.labels.digests,
        )


def require_pseudo_labels(run: Run, before: Provenance, unlabelled: Unlabelled | None) -> None:
    """Check that a run is continued with the pseudo-labels that it was started with.

    Raises
    ------
    RunError
        If they are missing or others.
    """
    now = unlabelled.labels.digests if unlabelled is not None else {}
    if dict(before.pseudo_labels) != dict(now):
        what = "was started with other pseudo-labels" if now else "was started with pseudo-labels"
        remedy = "Give the same unlabelled subjects and pseudo-labels again."
        raise RunError.of(run.folder, what, remedy)
