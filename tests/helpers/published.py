"""The subjects of the paper: id, which vendors' list they are on, and role, as its authors published them."""

from __future__ import annotations

import csv
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS, Phase
from cmr_ssp.subjects import Cohort, LabelSource, Role, Split, Subject, VolumeSource
from places import DATA

TABLE = DATA / "published_subjects.csv"


def published_rows() -> list[dict[str, str]]:
    """Return the rows of the table; `vendors` is ``A_B`` or ``C_D`` for training subjects, else empty."""
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def published_roles() -> Split:
    """Return the split of all 510 subjects."""
    return Split({row["id"]: Role(row["role"]) for row in published_rows()})


def published_cohort() -> Cohort:
    """Return all 510 subjects, labelled at ED and ES, without files."""
    nowhere, numbering = VolumeSource(Path("none.nii.gz")), NUMBERINGS["mnms"]
    labels = tuple(LabelSource(phase, 0, nowhere, numbering) for phase in Phase)
    subjects = (Subject(row["id"], (nowhere,), labels, row["vendors"] or None) for row in published_rows())
    return Cohort(TABLE, "published", tuple(sorted(subjects, key=lambda subject: subject.id)))
