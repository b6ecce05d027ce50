"""Open cohorts, cines and labels."""

from __future__ import annotations

from pathlib import Path

from cmr_ssp import files
from cmr_ssp.anatomy import Phase
from cmr_ssp.api.arguments import PathLike
from cmr_ssp.subjects import CineStack, Cohort, Segmentation, Subject


def open_cohort(folder: PathLike, labels: PathLike | None = None) -> Cohort:
    """List the subjects in a folder; its layout is recognised, and no pixels are read.

    Parameters
    ----------
    folder : str or path
        Folder of a data set, NIfTI files or DICOM exams.
    labels : str or path, optional
        Folder of label versions; the newest replace the labels of the cohort.

    Returns
    -------
    Cohort
        `Cohort.problems` has all problems.

    Raises
    ------
    CohortError
        If the folder is not a cohort.

    Examples
    --------
    >>> cohort = cmr_ssp.open_cohort("FOLDER")
    >>> len(cohort)
    8
    >>> cohort.problems
    ()
    """
    cohort = files.open_cohort(Path(folder))
    return cohort if labels is None else files.with_label_versions(cohort, Path(labels))


def open_cine(path: PathLike) -> CineStack:
    """Open one cine, reading headers only.

    Parameters
    ----------
    path : str or path
        A NIfTI file (a 3D volume is one frame), or a folder or zip archive of DICOM.

    Returns
    -------
    CineStack
        `CineStack.pixels` reads the pixels, shape (frame, slice, row, column).

    Raises
    ------
    ImageError
        If the file is not a usable image.

    Examples
    --------
    >>> cmr_ssp.open_cine("CINE.nii.gz")
    <CineStack: 4 frames, 3 slices of 36 x 40, 8 x 1.5 x 1.6 mm>
    """
    return files.open_cine(Path(path))


def read_segmentation(subject: Subject, phase: Phase | str) -> Segmentation:
    """Read the labels of one phase of a subject, at the frame confirmed by the pixels.

    Parameters
    ----------
    subject : Subject
        Subject of a cohort.
    phase : Phase or str
        Such as ``"ED"``.

    Returns
    -------
    Segmentation
        Labels, shape (slice, row, column), their frame, and the labelled structures.

    Raises
    ------
    LabelError
        If the phase is not labelled, or its file is unreadable, does not fit the cine, or contains numbers
        without a structure.

    Examples
    --------
    >>> labels = cmr_ssp.read_segmentation(cohort.subject("a"), "ED").labels
    >>> labels.shape  # (slice, row, column); LV 1, MYO 2, RV 3
    (3, 36, 40)
    """
    return files.read_segmentation(files.resolve_subject(subject), phase)
