"""The plain layout, for data without a public layout; `docs/data.md` describes it for users.

``ID.nii.gz`` is a cine, or ``ID_ED.nii.gz`` and ``ID_ES.nii.gz`` are two volumes. ``ID_ED_gt.nii.gz`` and
``ID_ES_gt.nii.gz`` are labels of one volume, ``ID_gt.nii.gz`` of a whole cine. ``subjects.csv`` is optional
and may also lie in the folder above.
"""

from __future__ import annotations

import re
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS, Phase
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.files.formats.folders import entries, is_regular
from cmr_ssp.files.formats.nifti import is_nifti, read_header
from cmr_ssp.files.formats.tables import Row, folder_and_above, read_rows, whole_number
from cmr_ssp.files.labels.phases import find_phases, in_phase_order, label_sources
from cmr_ssp.files.layouts.gathering import Parts, collect_subjects, parts_by_subject
from cmr_ssp.subjects import ImageSource, LabelSource, Subject, VolumeSource, file_frames

NAME = "plain folder"
EXPECTS = "ID.nii.gz cines, optionally with ID_ED_gt.nii.gz and ID_ES_gt.nii.gz or ID_gt.nii.gz"

TABLE = "subjects.csv"

_NUMBERING = NUMBERINGS["mnms"]
_FILE = re.compile(r"(?P<id>.+?)(?P<part>|_gt|_E[DS]|_E[DS]_gt)")


def recognises(folder: Path) -> bool:
    """Return whether `folder` contains NIfTI images."""
    return any(is_nifti(entry) for entry in entries(folder))


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder` by names, headers and table.

    Raises
    ------
    CohortError
        If ``subjects.csv`` is unusable.
    """
    rows = _rows(folder)
    files = _files(folder)
    problems = _rows_without_files(folder, rows, files)
    subjects, found = collect_subjects(files, lambda name, parts: _subject(name, parts, rows.get(name, {})))
    return subjects, problems + found


def _files(folder: Path) -> dict[str, Parts]:
    return parts_by_subject(entries(folder), _FILE)


def _subject(name: str, parts: Parts, row: Row) -> tuple[Subject, list[Problem]]:
    frames, position, problems = _frames(parts, row, name)
    labels: list[LabelSource] = []
    if frames and "_gt" in parts:
        labels, found = _cine_labels(parts["_gt"], position, len(frames))
        problems += found
    for phase in Phase:
        path = parts.get(f"_{phase}_gt")
        if path is None:
            continue
        if phase in position:
            labels = [label for label in labels if label.phase is not phase]
            labels.append(LabelSource(phase, position[phase], VolumeSource(path), _NUMBERING))
        else:
            problems.append(_unplaced(path, phase, name, has_image=bool(frames)))
    vendor, group = row.get("vendor") or None, row.get("group") or None
    return Subject(name, tuple(frames), tuple(in_phase_order(labels)), vendor, group), problems


def _frames(parts: Parts, row: Row, name: str) -> tuple[list[ImageSource], dict[Phase, int], list[Problem]]:
    """Return the frames of a subject, and the indices of its phases as far as names and table define them."""
    if "" in parts:
        n_frames = read_header(parts[""]).shape[0]
        position = _table_frames(row, name)
        single = [phase for phase in Phase if f"_{phase}_gt" in parts]
        if n_frames == 1 and len(single) == 1:
            position = {single[0]: 0}
        return list(file_frames(parts[""], n_frames)), position, []
    phases = [phase for phase in Phase if f"_{phase}" in parts]
    position = {phase: t for t, phase in enumerate(phases)}
    return [VolumeSource(parts[f"_{phase}"]) for phase in phases], position, []


def _table_frames(row: Row, name: str) -> dict[Phase, int]:
    frames = {}
    for phase in Phase:
        cell = row.get(f"{phase.lower()}_frame", "")
        frame = whole_number(cell)
        if cell and frame is None:
            what = f"the {phase.lower()}_frame of '{name}' is '{cell}', not a frame number"
            raise CohortError.of(f"{TABLE}, subject {name}", what, "Use integers, counted from 0.")
        if frame is not None:
            frames[phase] = frame
    return frames


def _cine_labels(
    path: Path, position: dict[Phase, int], n_frames: int
) -> tuple[list[LabelSource], list[Problem]]:
    """Return sources of 4D labels; unless the table gives both phases, the pixels define them."""
    problems: list[Problem] = []
    if len(set(position.values())) < len(Phase) or max(position.values()) >= n_frames:
        position, problems = find_phases(path, position)
    return label_sources(path, position, _NUMBERING), problems


def _unplaced(path: Path, phase: Phase, name: str, *, has_image: bool) -> Problem:
    if not has_image:
        what = f"it labels {phase} of {name}, which has no image"
        return Problem(str(path), what, f"Add {name}.nii.gz or {name}_{phase}.nii.gz.")
    what = f"the frame of {phase} in the cine of {name} is unknown; the label is not used"
    remedy = f"Add {phase.lower()}_frame (counted from 0) to {TABLE}."
    return Problem.warning(path, what, remedy)


def _rows(folder: Path) -> dict[str, Row]:
    for place in folder_and_above(folder, 1):
        path = place / TABLE
        if is_regular(path):
            rows = read_rows(path, "id")
            if rows is None:
                raise CohortError.of(path, "it has no column 'id'", "Call the first column 'id'.")
            return rows
    return {}


def _rows_without_files(folder: Path, rows: dict[str, Row], files: dict[str, Parts]) -> list[Problem]:
    if not is_regular(folder / TABLE):
        return []  # a table above may also describe sibling folders
    what = "it lists '{}', which has no image here"
    remedy = "Correct the id, or remove the row."
    lost = sorted(set(rows) - set(files))
    return [Problem.warning(folder / TABLE, what.format(name), remedy) for name in lost]
