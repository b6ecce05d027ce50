"""Sunnybrook Cardiac Data as NIfTI: ``ID_sax.nii.gz`` (4D) and ``ID_frameNN_gt.nii.gz``.

Frames are counted from 1; 2 = MYO (drawn at ED only), 3 = LV; the RV is not labelled. All scanners are from
General Electric. File names do not define ED: it is the frame with the larger LV.
"""

from __future__ import annotations

import re
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS, Numbering
from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.files.formats.folders import entries
from cmr_ssp.files.formats.nifti import is_nifti, read_header, stem_of
from cmr_ssp.files.labels.phases import phases_by_size, structure_voxels
from cmr_ssp.files.layouts.numbering import numbering_in_yaml
from cmr_ssp.subjects import LabelSource, Subject, VolumeSource, file_frames

NAME = "Sunnybrook"
EXPECTS = "ID_sax.nii.gz with ID_frameNN_gt.nii.gz"

_CINE = re.compile(r"(?P<id>.+)_sax")
_LABEL = re.compile(r"(?P<id>.+)_frame(?P<frame>\d+)_gt")


def recognises(folder: Path) -> bool:
    """Return whether `folder` contains such cines."""
    return any(_CINE.fullmatch(stem_of(entry)) for entry in entries(folder) if is_nifti(entry))


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder`; labels are read to find ED and ES."""
    subjects: list[Subject] = []
    problems: list[Problem] = []
    paths = [entry for entry in entries(folder) if is_nifti(entry)]
    numbering = numbering_in_yaml(folder) or NUMBERINGS["acdc"]
    for path in paths:
        match = _CINE.fullmatch(stem_of(path))
        if not match:
            continue
        try:
            subject, found = _subject(match["id"], path, paths, numbering)
        except CmrSspError as error:
            problems += error.problems
            continue
        subjects.append(subject)
        problems += found
    return subjects, problems


def _subject(name: str, cine: Path, paths: list[Path], numbering: Numbering) -> tuple[Subject, list[Problem]]:
    frames = file_frames(cine, read_header(cine).shape[0])
    matches = [(path, _LABEL.fullmatch(stem_of(path))) for path in paths]
    drawn = {int(match["frame"]) - 1: path for path, match in matches if match and match["id"] == name}
    phases = phases_by_size({frame: structure_voxels(path, numbering) for frame, path in drawn.items()})
    labels = tuple(
        LabelSource(phase, frame, VolumeSource(drawn[frame]), numbering) for phase, frame in phases.items()
    )
    unused = [path for frame, path in drawn.items() if frame not in phases.values()]
    what = "it is neither the largest nor the smallest LV of its cine; the label is not used"
    problems = [Problem.warning(path, what, "Check that it is right.") for path in unused]
    return Subject(name, frames, labels, vendor="GE"), problems
