"""Corrected labels that replace those of a cohort in an export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import LabelError
from cmr_ssp.files import import_labels, resolve_subject
from cmr_ssp.subjects import Cohort, Segmentation

Corrections = Mapping[tuple[str, Phase], Segmentation]
"""Labels by subject id and phase."""


def read_corrections(cohort: Cohort, folder: Path) -> Corrections:
    """Read ``ID_ED.nii.gz`` and ``ID_ES.nii.gz``, each a volume of a labelled phase of the cohort.

    Raises
    ------
    LabelError
        If the folder contains none, or a file cannot be used.
    """
    found: dict[tuple[str, Phase], Segmentation] = {}
    for subject in cohort.subjects:
        named = {phase: folder / f"{subject.id}_{phase}.nii.gz" for phase in subject.phases}
        files = {phase: path for phase, path in named.items() if path.is_file()}
        labels = resolve_subject(subject).labels if files else ()  # which reads pixels
        for label in labels:
            if label.phase in files:
                for segmentation in import_labels(files[label.phase], subject, frame=label.frame):
                    found[subject.id, label.phase] = segmentation
    if not found:
        what = "it contains no corrected label of a labelled phase of this cohort"
        raise LabelError.of(folder, what, "Name the files ID_ED.nii.gz and ID_ES.nii.gz.")
    return found
