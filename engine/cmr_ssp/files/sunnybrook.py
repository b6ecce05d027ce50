"""Sunnybrook Cardiac Data as NIfTI: ``ID_sax.nii.gz`` (4D) and ``ID_frameNN_gt.nii.gz``.

Frames are counted from 1; 2 = MYO (drawn at ED only), 3 = LV; nobody drew the RV. All scanners General
Electric. The names do not say which frame is ED: it is the one with the larger LV.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cmr_ssp.anatomy import NUMBERINGS, Phase, Structure
from cmr_ssp.errors import CmrSspError, LabelError, Problem, Severity
from cmr_ssp.files.labels import read_numbers, to_structures
from cmr_ssp.files.nifti import is_nifti, read_header, stem_of
from cmr_ssp.subjects import FrameSource, LabelSource, Subject

NAME = "Sunnybrook"
EXPECTS = "ID_sax.nii.gz with ID_frameNN_gt.nii.gz"

_CINE = re.compile(r"(?P<id>.+)_sax")
_LABEL = re.compile(r"(?P<id>.+)_frame(?P<frame>\d+)_gt")
_NUMBERING = NUMBERINGS["acdc"]


def recognises(folder: Path) -> bool:
    """Tell whether `folder` holds such cines."""
    return any(_CINE.fullmatch(stem_of(entry)) for entry in folder.iterdir() if is_nifti(entry))


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder`; labels are read to tell ED from ES."""
    subjects: list[Subject] = []
    problems: list[Problem] = []
    paths = sorted(entry for entry in folder.iterdir() if is_nifti(entry))
    for path in paths:
        match = _CINE.fullmatch(stem_of(path))
        if not match:
            continue
        try:
            subject, found = _subject(match["id"], path, paths)
        except CmrSspError as error:
            problems += error.problems
            continue
        subjects.append(subject)
        problems += found
    return subjects, problems


def _subject(name: str, cine: Path, paths: list[Path]) -> tuple[Subject, list[Problem]]:
    frames = tuple(FrameSource(cine, t) for t in range(read_header(cine).shape[0]))
    matches = [(path, _LABEL.fullmatch(stem_of(path))) for path in paths]
    drawn = {int(match["frame"]) - 1: path for path, match in matches if match and match["id"] == name}
    phases = _phases({frame: _voxels(path) for frame, path in drawn.items()})
    labels = tuple(
        LabelSource(phase, frame, FrameSource(drawn[frame]), _NUMBERING) for phase, frame in phases.items()
    )
    unused = [path for frame, path in drawn.items() if frame not in phases.values()]
    what = "it is neither the largest nor the smallest LV of its cine; the label is not used"
    problems = [Problem(str(path), what, "Nothing, if that is right.", Severity.WARNING) for path in unused]
    return Subject(name, frames, labels, vendor="GE"), problems


def _voxels(path: Path) -> dict[Structure, int]:
    """Count the voxels of each structure in a label file."""
    try:
        numbers = read_numbers(read_header(path))
    except CmrSspError as error:
        raise LabelError(*error.problems) from error
    labels = to_structures(numbers, _NUMBERING, str(path))
    return {structure: int(np.count_nonzero(labels == structure)) for structure in Structure}


def _phases(voxels: dict[int, dict[Structure, int]]) -> dict[Phase, int]:
    """Return the frames of ED and ES; of a single label the myocardium, drawn at ED only, decides."""
    by_size = sorted(voxels, key=lambda frame: (-voxels[frame][Structure.LV], frame))
    if len(by_size) == 1:
        has_myocardium = voxels[by_size[0]][Structure.MYO] > 0
        return {Phase.ED if has_myocardium else Phase.ES: by_size[0]}
    return {Phase.ED: by_size[0], Phase.ES: by_size[-1]} if by_size else {}
