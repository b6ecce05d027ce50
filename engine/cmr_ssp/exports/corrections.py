"""Corrected labels that replace those of a cohort in an export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import LabelError
from cmr_ssp.files import import_labels
from cmr_ssp.subjects import ResolvedSubject, Segmentation

Corrections = Mapping[tuple[str, Phase], Segmentation]
"""Labels by subject id and phase."""


def read_corrections(subjects: Iterable[ResolvedSubject], folder: Path) -> Corrections:
    """Read ``ID_ED.nii.gz`` and ``ID_ES.nii.gz``, each a volume of a labelled phase of the subjects.

    Raises
    ------
    LabelError
        If the folder contains none, or a file cannot be used.
    """
    found: dict[tuple[str, Phase], Segmentation] = {}
    for subject in subjects:
        for label in subject.labels:
            path = folder / f"{subject.id}_{label.phase}.nii.gz"
            if path.is_file():
                for segmentation in import_labels(path, subject, frame=label.frame):
                    found[subject.id, label.phase] = segmentation
    if not found:
        what = "it contains no corrected label of a labelled phase of this cohort"
        raise LabelError.of(folder, what, "Name the files ID_ED.nii.gz and ID_ES.nii.gz.")
    return found
