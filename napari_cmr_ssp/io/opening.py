"""Opens what the user chose as a cohort: a folder, an archive, or one NIfTI file."""

from __future__ import annotations

import os
from pathlib import Path

from cmr_ssp.errors import CohortError, ImageError
from cmr_ssp.files import open_cohort, open_stack
from cmr_ssp.files.formats.nifti import is_nifti
from cmr_ssp.subjects import Cohort

from napari_cmr_ssp.io.label_files import is_label_file
from napari_cmr_ssp.scene.exams import subject_at

_LAYOUT = "NIfTI file"


def cohort_at(place: Path) -> Cohort:
    """List the subjects of a folder or archive, or the one subject of a NIfTI file.

    A file that belongs to a cohort keeps its id and its labels.

    Parameters
    ----------
    place : Path
        Folder of a cohort or exam, zip archive of an exam, or NIfTI file of a cine.

    Raises
    ------
    CmrSspError
        If it is missing, or nothing in it can be used.
    """
    place = Path(os.path.abspath(place))  # noqa: PTH100 - keeps links, as `open_cohort` does
    if place.is_dir() or not is_nifti(place):
        return open_cohort(place)
    if not place.is_file():
        raise CohortError.of(place, "the file does not exist", "Check the path.")
    if is_label_file(place):
        remedy = "Open the cine instead; drop the labels on the canvas to see them."
        raise ImageError.of(place, "it contains labels, not images", remedy)
    subject = subject_at(place)
    return Cohort(place, _LAYOUT, (subject,), tuple(open_stack(subject).problems))
