"""``cmr-ssp export``, ``cmr-ssp export-cohort`` and ``cmr-ssp volumes``: results for other programs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from csv import writer as csv_writer
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cmr_ssp.anatomy import NUMBERINGS, Phase, Structure
from cmr_ssp.atomic import write_text
from cmr_ssp.cli.options import Folder, LabelFolder, Shown, SplitFile, open_labelled, require_replaceable
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.errors import LabelError, OutputError, Problem, RecipeError, is_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cmr_ssp.exports import Corrections, MadeBy, Moment
    from cmr_ssp.subjects import CineStack, Cohort, Segmentation

_IDENTITY = (
    "DICOM segmentations carry the patient's name, id, birth date and study, copied from the source images."
)
_LABELS_TXT = "labels.txt"
_KEY_COLUMNS = ("case", "subject", "phase")

Output = Annotated[Path, Parameter(name=["--output", "-o"], help="Folder to write into.")]
Replace = Annotated[bool, Parameter(negative=(), help="Write over the files of an earlier export.")]
Numbers = Annotated[
    Literal["mnms", "acdc"] | None,
    Parameter(name="--labels", help="What the numbers in the label files are, where they do not say it."),
]


def export(
    segmentation: Annotated[Path, Parameter(help="Label file on the grid of the cine, as X_seg.nii.gz.")],
    *,
    source: Annotated[Path, Parameter(help="The cine that it belongs to (NIfTI).")],
    to: Annotated[
        Literal["itksnap", "slicer", "phases", "dicom-seg", "captures"],
        Parameter(help="Volumes with ITK-SNAP's labels, .seg.nrrd, volumes, DICOM SEG, or pictures."),
    ],
    output: Output,
    frames: Annotated[
        str, Parameter(help="Frames to export: ED,ES (by LV volume), all, or numbers from 0 as in 0,12.")
    ] = "ED,ES",
    dicom: Annotated[
        Path | None, Parameter(help="Folder of the DICOM images of the cine, for dicom-seg.")
    ] = None,
    with_identity: Annotated[
        bool, Parameter(negative=(), help="Agree that DICOM SEG files name the patient.")
    ] = False,
    made_by: Annotated[
        Literal["automatic", "semiautomatic", "manual"],
        Parameter(help="Who drew the contours, for dicom-seg."),
    ] = "automatic",
    labels: Numbers = None,
    replace: Replace = False,
    terminal: Shown,
) -> None:
    """Write a segmentation in another program's format, on the grid of its cine."""
    from cmr_ssp import exports
    from cmr_ssp.exports.moments import check_moments, check_targets
    from cmr_ssp.files import open_cine
    from cmr_ssp.files.formats.nifti import stem_of

    stack = open_cine(source)
    volumes = _volumes(segmentation, stack, labels)
    moments = _moments(frames, volumes, stack)
    name = stem_of(source)
    check_moments(segmentation, moments, stack)
    if to == "dicom-seg":
        terminal.note(_IDENTITY)
        drawn_by = exports.MadeBy[made_by.upper()]
        written = _dicom_seg(output, name, volumes, stack, moments, dicom, with_identity, drawn_by, replace)
    elif to == "slicer":
        written = exports.write_slicer(output, name, volumes, stack, moments, replace=replace)
    elif to == "captures":
        written = exports.write_captures(
            output, name, volumes, stack, moments, dicom=_has_highdicom(terminal), replace=replace
        )
    else:
        note = [output / _LABELS_TXT] if to == "itksnap" else []
        check_targets(note, replace=replace)
        written = exports.write_phases(
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
    number: Annotated[int, Parameter(help="Of the data set, as in Dataset001_CMR.")] = 1,
    name: Annotated[str, Parameter(help="Of the data set, letters and digits.")] = "CMR",
    split: SplitFile = None,
    names: Annotated[
        Literal["pseudonyms", "ids"], Parameter(help="What cases are called after.")
    ] = "pseudonyms",
    key: Annotated[
        Path | None, Parameter(help="CSV to write that says which subject each case is; keep it apart.")
    ] = None,
    corrected: Annotated[
        Path | None,
        Parameter(help="Folder of labels, ID_ED.nii.gz or ID_ES.nii.gz, that replace the cohort's."),
    ] = None,
    labels: LabelFolder = None,
    replace: Replace = False,
    terminal: Shown,
) -> None:
    """Write the labelled phases of a cohort as another program's data set."""
    from cmr_ssp.exports import CaseNames, export_nnunet
    from cmr_ssp.subjects.split_file import read_split

    del to  # one so far
    if key is not None:
        require_replaceable(key, _table([_KEY_COLUMNS]))
    cohort = open_labelled(folder, labels, terminal)
    made = export_nnunet(
        cohort,
        output,
        number=number,
        name=name,
        split=read_split(split) if split else None,
        case_names=CaseNames(names),
        corrections=_corrections(cohort, corrected) if corrected else None,
        replace=replace,
    )
    for problem in made.problems:
        terminal.problem(problem)
    if key is not None:
        write_text(key, _table([_KEY_COLUMNS, *((c.name, c.subject, c.phase) for c in made.cases)]))
    terminal.note(f"{len(made.cases)} cases -> {made.folder}")
    terminal.give(written=made.folder, cases=[case.name for case in made.cases])


def volumes(
    *segmentations: Annotated[Path, Parameter(help="Label files (NIfTI), 4D or 3D.")],
    csv: Annotated[Path, Parameter(help="Table to write: subject, frame, phase and ml of each structure.")],
    labels: Numbers = None,
    terminal: Shown,
) -> None:
    """Measure the volume of each structure in each frame, in ml, and flag ED and ES."""
    from cmr_ssp.files.formats.nifti import stem_of
    from cmr_ssp.files.labels.importing import read_label_volumes
    from cmr_ssp.files.labels.marks import LabelMark, read_mark
    from cmr_ssp.function import VOLUMES_BEGIN, frame_volumes, volumes_csv

    if not segmentations:
        raise LabelError.of(csv, "no label file was named that it could be made from", "Name at least one.")
    require_replaceable(csv, VOLUMES_BEGIN)
    _require_plain_names(segmentations)
    rows = []
    for path in segmentations:
        found = read_label_volumes(path, NUMBERINGS[labels] if labels else None)
        mark, name = read_mark(path) or LabelMark(labels=""), stem_of(path).removesuffix("_seg")
        rows += frame_volumes(
            found.labels, found.grid.spacing_mm, name, cine=mark.cine, checkpoint=mark.checkpoint
        )
    write_text(csv, volumes_csv(rows))
    terminal.note(f"{len(rows)} frames -> {csv}")
    terminal.give(written=csv, frames=len(rows))


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV."""
    text = io.StringIO()
    csv_writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _require_plain_names(files: Sequence[Path]) -> None:
    """Refuse file names that a spreadsheet would compute, or that no table can hold."""
    from cmr_ssp.subjects.subject import is_formula

    what, remedy = "its name would be a formula in a table", "Let it begin with a letter or digit."
    odd = [Problem(str(file), what, remedy) for file in files if is_formula(file.name)]
    what, remedy = "its name is not UTF-8 and can stand in no table", "Rename it."
    odd += [Problem(str(file), what, remedy) for file in files if not is_text(file.name)]
    if odd:
        raise LabelError(*odd)


def _volumes(path: Path, stack: CineStack, labels: str | None) -> NDArray[np.uint8]:
    """Read labels as one volume for each frame of the cine."""
    import numpy as np

    from cmr_ssp.files import import_labels

    found = import_labels(path, stack, numbering=NUMBERINGS[labels] if labels else None)
    if not found:
        raise LabelError.of(path, "it has no labelled voxel", "Give a segmentation.")
    volumes = np.zeros((stack.n_frames, *stack.grid.shape), np.uint8)
    for segmentation in found:
        volumes[segmentation.frame] = segmentation.labels
    return volumes


def _moments(text: str, volumes: NDArray[np.uint8], stack: CineStack) -> list[Moment]:
    """Read ``ED,ES``, ``all`` or ``0,12``; a segmentation of one frame has but that one."""
    from cmr_ssp.exports import Moment
    from cmr_ssp.function import find_ed_es, frame_volumes

    measured = frame_volumes(volumes, stack.grid.spacing_mm, "")
    labelled = [row.frame for row in measured if any(ml is not None for ml in row.ml.values())]
    phases = find_ed_es([row.ml[Structure.LV] for row in measured])
    named = {frame: phase for phase, frame in phases.items()}
    if text.strip().lower() == "all":
        return [Moment(t, named.get(t)) for t in labelled]
    moments = []
    for part in filter(None, map(str.strip, text.split(","))):
        phase = Phase(part.upper()) if part.upper() in list(Phase) else None
        if phase is not None and phase not in phases:
            if len(labelled) == 1:
                return [Moment(labelled[0])]
            what = f"the LV volumes do not say which frame is {phase}"
            raise RecipeError.of("--frames", what, "Name frames by their numbers, from 0.")
        if phase is None and not part.isdecimal():
            raise RecipeError.of("--frames", f"'{part}' is no frame", "Write ED,ES or all or 0,12.")
        frame = phases[phase] if phase else int(part)
        moments.append(Moment(frame, named.get(frame)))
    return list(dict.fromkeys(moments))


def _dicom_seg(
    output: Path,
    name: str,
    labels: NDArray[np.uint8],
    stack: CineStack,
    moments: Sequence[Moment],
    dicom: Path | None,
    with_identity: bool,
    made_by: MadeBy,
    replace: bool,
) -> list[Path]:
    from cmr_ssp.exports import phase_instances, write_dicom_seg
    from cmr_ssp.exports.moments import check_targets

    if dicom is None or not dicom.is_dir():
        what = "DICOM segmentations refer to the DICOM images of the cine"
        raise OutputError.of(dicom or "--dicom", what, "Name their folder with --dicom.")
    written = [output / f"{name}_{moment.name}_seg.dcm" for moment in moments]
    check_targets(written, dicom.rglob("*"), replace=replace)
    for moment, path in zip(moments, written, strict=True):
        instances = phase_instances(dicom, stack.grid, moment.frame) if with_identity else []
        volume = labels[moment.frame]
        write_dicom_seg(
            path,
            volume,
            stack.grid,
            instances,
            with_identity=with_identity,
            made_by=made_by,
            replace=replace,
        )
    return written


def _has_highdicom(terminal: Terminal) -> bool:
    from importlib.util import find_spec

    from cmr_ssp.exports.dicom_parts import INSTALL

    found = find_spec("highdicom") is not None
    if not found:
        terminal.note(f"PNG files only; for DICOM captures too: {INSTALL}")
    return found


def _corrections(cohort: Cohort, folder: Path) -> Corrections:
    """Read ``ID_ED.nii.gz`` and ``ID_ES.nii.gz``, each a volume of a phase that the cohort knows."""
    from cmr_ssp.files import import_labels, resolve_subject

    found: dict[tuple[str, Phase], Segmentation] = {}
    for subject in map(resolve_subject, cohort.subjects):
        for label in subject.labels:
            path = folder / f"{subject.id}_{label.phase}.nii.gz"
            if path.is_file():
                for segmentation in import_labels(path, subject, frame=label.frame):
                    found[subject.id, label.phase] = segmentation
    if not found:
        what = "it holds no corrected label of a labelled phase of this cohort"
        raise LabelError.of(folder, what, "Call the files ID_ED.nii.gz and ID_ES.nii.gz.")
    return found
