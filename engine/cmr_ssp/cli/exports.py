"""``cmr-ssp export``, ``cmr-ssp export-cohort`` and ``cmr-ssp volumes``: results for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cmr_ssp.anatomy import NUMBERINGS
from cmr_ssp.atomic import write_text
from cmr_ssp.cli.options import (
    Folder,
    LabelFolder,
    Numbers,
    Shown,
    SplitFile,
    open_labelled,
    require_replaceable,
)
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.errors import LabelError

_IDENTITY = (
    "DICOM segmentations carry the patient's name, id, birth date and study, copied from the source images."
)
_LABELS_TXT = "labels.txt"

Output = Annotated[Path, Parameter(name=["--output", "-o"], help="Folder to write into.")]
Replace = Annotated[bool, Parameter(negative=(), help="Replace the files of an earlier export.")]


def export(
    segmentation: Annotated[
        Path, Parameter(help="Label file on the grid of the cine, such as X_seg.nii.gz.")
    ],
    *,
    source: Annotated[Path, Parameter(help="Cine of the labels (NIfTI).")],
    to: Annotated[
        Literal["itksnap", "slicer", "phases", "dicom-seg", "captures"],
        Parameter(help="Format: volumes with ITK-SNAP labels, .seg.nrrd, volumes, DICOM SEG, or pictures."),
    ],
    output: Output,
    frames: Annotated[
        str, Parameter(help="Frames to export: ED,ES (by LV volume), all, or numbers from 0 as in 0,12.")
    ] = "ED,ES",
    dicom: Annotated[
        Path | None, Parameter(help="Folder of the DICOM images of the cine, for dicom-seg.")
    ] = None,
    with_identity: Annotated[
        bool, Parameter(negative=(), help="Confirm that DICOM SEG files name the patient.")
    ] = False,
    made_by: Annotated[
        Literal["automatic", "semiautomatic", "manual"],
        Parameter(help="Who drew the contours, for dicom-seg."),
    ] = "automatic",
    labels: Numbers = None,
    replace: Replace = False,
    terminal: Shown,
) -> None:
    """Write a segmentation in the format of another program, on the grid of its cine."""
    from cmr_ssp import exports
    from cmr_ssp.exports.moments import check_moments, check_targets
    from cmr_ssp.files import import_volumes, open_cine
    from cmr_ssp.files.formats.nifti import stem_of

    stack = open_cine(source)
    volumes = import_volumes(segmentation, stack, NUMBERINGS[labels] if labels else None)
    moments = exports.find_moments(frames, volumes, stack.grid.spacing_mm)
    name = stem_of(source)
    check_moments(segmentation, moments, stack)
    if to == "dicom-seg":
        terminal.note(_IDENTITY)
        images = exports.SourceImages(dicom, with_identity, exports.MadeBy[made_by.upper()])
        written = exports.write_dicom_seg_cine(output, name, volumes, stack, moments, images, replace=replace)
    elif to == "slicer":
        written = exports.write_slicer(output, name, volumes, stack, moments, replace=replace)
    elif to == "captures":
        written = exports.write_captures(
            output, name, volumes, stack, moments, dicom=_has_highdicom(terminal), replace=replace
        )
    else:
        note = [output / _LABELS_TXT] if to == "itksnap" else []
        check_targets(note, replace=replace)
        written = exports.write_frames(
            output, name, volumes, stack, moments, images=to == "itksnap", replace=replace
        )
        for path in note:
            exports.write_itksnap_labels(path, replace=replace)
    terminal.note(f"{len(written)} files -> {output}")
    terminal.give(written=written)


def export_cohort(
    folder: Folder,
    *,
    to: Annotated[Literal["nnunet"], Parameter(help="Raw data set of nnU-Net, version 2.")] = "nnunet",
    output: Output,
    number: Annotated[int, Parameter(help="Number of the data set, as in Dataset001_CMR.")] = 1,
    name: Annotated[str, Parameter(help="Name of the data set, letters and digits.")] = "CMR",
    split: SplitFile = None,
    names: Annotated[Literal["pseudonyms", "ids"], Parameter(help="How cases are named.")] = "pseudonyms",
    key: Annotated[
        Path | None, Parameter(help="CSV to write with the subject of each case; store it separately.")
    ] = None,
    corrected: Annotated[
        Path | None,
        Parameter(help="Folder of labels, ID_ED.nii.gz or ID_ES.nii.gz, that replace those of the cohort."),
    ] = None,
    labels: LabelFolder = None,
    replace: Replace = False,
    terminal: Shown,
) -> None:
    """Write the labelled phases of a cohort as a data set of another program."""
    from cmr_ssp.exports import CaseNames, export_nnunet
    from cmr_ssp.exports.nnunet import KEY_BEGINS
    from cmr_ssp.subjects.split_file import read_split

    del to  # only one so far
    if key is not None:
        require_replaceable(key, KEY_BEGINS)
    cohort = open_labelled(folder, labels, terminal)
    made = export_nnunet(
        cohort,
        output,
        number=number,
        name=name,
        split=read_split(split) if split else None,
        case_names=CaseNames(names),
        corrected=corrected,
        replace=replace,
    )
    for problem in made.problems:
        terminal.problem(problem)
    if key is not None:
        write_text(key, made.key_csv())
    terminal.note(f"{len(made.cases)} cases -> {made.folder}")
    terminal.give(written=made.folder, cases=[case.name for case in made.cases])


def volumes(
    *segmentations: Annotated[Path, Parameter(help="Label files (NIfTI), 4D or 3D.")],
    csv: Annotated[Path, Parameter(help="Table to write: subject, frame, phase and ml of each structure.")],
    labels: Numbers = None,
    terminal: Shown,
) -> None:
    """Measure the volume of each structure in each frame, in ml, and flag ED and ES."""
    from cmr_ssp.function import VOLUMES_BEGIN, measure_files, volumes_csv

    if not segmentations:
        raise LabelError.of(csv, "no label files were given", "Give at least one.")
    require_replaceable(csv, VOLUMES_BEGIN)
    rows = measure_files(segmentations, NUMBERINGS[labels] if labels else None)
    write_text(csv, volumes_csv(rows))
    terminal.note(f"{len(rows)} frames -> {csv}")
    terminal.give(written=csv, frames=len(rows))


def _has_highdicom(terminal: Terminal) -> bool:
    from cmr_ssp.exports import has_highdicom
    from cmr_ssp.exports.dicom_parts import INSTALL

    found = has_highdicom()
    if not found:
        terminal.note(f"PNG files only; for DICOM captures too: {INSTALL}")
    return found
